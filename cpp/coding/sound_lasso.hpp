// Lasso rows, and once more those that rounding keeps from converging.
//
// Along nearly dependent atoms G is nearly singular, and noise cannot be told from slope. Such a row is solved by
// proximal steps in double (Rockafellar 1976),
//
//     z <- argmin 1/2 z'Gz - b'z + l1 |z|_1 + 1/2 delta |z - z_before|^2,
//
// with delta so large that no atom depends on others; what a step misses of the row's own conditions is
// delta |z - z_before|. These rows are rare: their solver and its copy of G are made when the first one comes.
#pragma once

#include <memory>

#include "coding/lasso.hpp"

namespace gramfold {

class ProximalLasso {
  public:
    ProximalLasso(const double* gram, Index k, const LassoRule<double>& rule)
        : gram_(gram), k_(k), rule_(rule), delta_(damping(gram, k)),
          padded_(padded_rows<double>(gram, k, round_up<Index>(k, lanes<double>))), b_(k), damped_b_(k), z_(k),
          rows_({padded_.get(), k, round_up<Index>(k, lanes<double>), gram}, rule) {}

    // A step that makes nothing better (G has been given with a negative eigenvalue) is not taken; the row has then
    // not converged.
    template <class T>
    RowCode solve(const T* b, double enough) {
        std::copy_n(b, k_, b_.get());
        z_.zero();
        members_.clear();
        const bool once = rule_.one_by_one || enough < std::numeric_limits<double>::infinity();
        double scale = 0, reached = 0;
        for (Index j = 0; j < k_; ++j) scale = std::max(scale, std::abs(b_.get()[j]));
        bool unconverged = true;
        double delta = delta_;
        for (int step = 0, failed = 0; step < 200 && failed < 5 && unconverged; ++step) {
            damp(delta);
            const RowCode done = rows_.solve(damped_b_.get(), members_.empty() ? nullptr : z_.get(), enough);
            const Shape shape = measured(done.size);
            if (done.unconverged || !(shape.curvature >= 0 && shape.objective <= reached)) {
                ++failed, delta *= 16;
                continue;
            }
            reached = shape.objective;
            unconverged = delta * take(done.size) > rule_.tol * scale && !once;
            delta *= 0.7;
        }
        return {Index(members_.size()), reached, unconverged};
    }

    Index index(Index a) const { return members_[static_cast<std::size_t>(a)]; }
    double value(Index a) const { return z_.get()[index(a)]; }

  private:
    struct Shape {
        double objective, curvature;  // z'Gz
    };

    static double damping(const double* gram, Index k) {
        double most = 0;
        for (Index j = 0; j < k; ++j) most = std::max(most, gram[j * (k + 1)]);
        return 4 * std::sqrt(std::numeric_limits<double>::epsilon()) * most;
    }

    void damp(double delta) {
        const Index gp = round_up<Index>(k_, lanes<double>);
        for (Index j = 0; j < k_; ++j) {
            padded_.get()[j * (gp + 1)] = gram_[j * (k_ + 1)] + delta;
            damped_b_.get()[j] = b_.get()[j] + delta * z_.get()[j];
        }
    }

    Shape measured(Index size) const {
        Shape shape{0, 0};
        for (Index a = 0; a < size; ++a) {
            double gz = 0;
            for (Index b = 0; b < size; ++b) gz += gram_[rows_.index(a) * k_ + rows_.index(b)] * rows_.value(b);
            shape.curvature += rows_.value(a) * gz;
            shape.objective += rule_.l1 * std::abs(rows_.value(a)) - rows_.value(a) * b_.get()[rows_.index(a)];
        }
        shape.objective += 0.5 * shape.curvature;
        return shape;
    }

    // The new code becomes z; its largest change.
    double take(Index size) {
        std::swap(z_, damped_b_);
        const double* before = damped_b_.get();
        z_.zero();
        members_.clear();
        for (Index a = 0; a < size; ++a) members_.push_back(rows_.index(a)), z_.get()[rows_.index(a)] = rows_.value(a);
        double most = 0;
        for (Index j = 0; j < k_; ++j) most = std::max(most, std::abs(z_.get()[j] - before[j]));
        return most;
    }

    const double* gram_;
    Index k_;
    LassoRule<double> rule_;
    double delta_;
    Buffer<double> padded_, b_, damped_b_, z_;
    std::vector<Index> members_;
    Lasso<double> rows_;
};

template <class T>
class SoundLasso {
  public:
    using Rule = LassoRule<T>;

    SoundLasso(const GramRows<T>& gram, const Rule& rule) : gram_(gram), rule_(rule), rows_(gram, rule) {}

    static Index together(const GramRows<T>&, const Rule&) { return 1; }

    void begin(const T* b, const T* start, double enough) {
        done_ = rows_.solve(b, start, enough);
        again_ = done_.unconverged;
        if (!again_) return;
        if (!proximal_) {
            const double tol = std::max<double>(rule_.tol, 16 * std::numeric_limits<T>::epsilon());
            const LassoRule<double> rule{rule_.l1, rule_.nonneg, rule_.most, rule_.one_by_one, rule_.max_rounds, tol};
            proximal_ = std::make_unique<ProximalLasso>(gram_.exact, gram_.k, rule);
        }
        done_ = proximal_->solve(b, enough);
    }
    bool choose() { return false; }  // begun is done
    void join() {}
    RowCode end() const { return done_; }

    Index index(Index a) const { return again_ ? proximal_->index(a) : rows_.index(a); }
    T value(Index a) const { return again_ ? T(proximal_->value(a)) : rows_.value(a); }

  private:
    GramRows<T> gram_;
    Rule rule_;
    Lasso<T> rows_;
    std::unique_ptr<ProximalLasso> proximal_;
    RowCode done_{};
    bool again_ = false;
};

}  // namespace gramfold
