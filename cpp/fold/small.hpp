// Small dense algebra that passes need in between: Eigen, one thread, the same bits whatever BLAS is around.
#pragma once

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include <cmath>

#include "fold/dense.hpp"

namespace gramfold {

// The pseudoinverse of a symmetric positive semidefinite k x k matrix that is known to a relative eps: the inverse,
// by Cholesky, where that is well conditioned, else over the eigenvalues above k eps times the largest.
inline Buffer<double> pseudoinverse(const double* a, Index k, double eps) {
    using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const Matrix> g(a, k, k);
    Buffer<double> out(k * k);
    if (k == 0) return out;
    Eigen::Map<Matrix> inverse(out.get(), k, k);
    const Eigen::LLT<Matrix> cholesky(g);
    if (cholesky.info() == Eigen::Success && cholesky.rcond() > std::sqrt(eps)) {
        inverse = cholesky.solve(Matrix::Identity(k, k));
        return out;
    }
    const Eigen::SelfAdjointEigenSolver<Matrix> eigen(g);
    const auto& values = eigen.eigenvalues();
    const double least = double(k) * eps * values.cwiseAbs().maxCoeff();
    const Eigen::VectorXd reciprocal =
        values.unaryExpr([=](double v) { return v > least ? 1 / v : 0.0; });
    inverse = eigen.eigenvectors() * reciprocal.asDiagonal() * eigen.eigenvectors().transpose();
    return out;
}

}  // namespace gramfold
