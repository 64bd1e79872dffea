// Small dense algebra that passes need in between: Eigen, one thread, the same bits whatever BLAS is around.
#pragma once

#include "fold/dense.hpp"

namespace gramfold {

// The pseudoinverse of a symmetric positive semidefinite k x k matrix that is known to a relative eps.
Buffer<double> pseudoinverse(const double* a, Index k, double eps);

}  // namespace gramfold
