#include "fold/small.hpp"

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // of the compiler's own AVX-512 intrinsics, as Eigen uses them
#endif

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>

#include <cmath>

namespace gramfold {

// The inverse, by Cholesky, where that is well conditioned, else over the eigenvalues above k eps times the largest.
Buffer<double> pseudoinverse(const double* a, Index k, double eps) {
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
    const Eigen::VectorXd reciprocal = values.unaryExpr([=](double v) { return v > least ? 1 / v : 0.0; });
    inverse = eigen.eigenvectors() * reciprocal.asDiagonal() * eigen.eigenvectors().transpose();
    return out;
}

}  // namespace gramfold
