// Rounds of greedy k-means++ (Arthur & Vassilvitskii 2007), one seed each.
//
//     candidates: rows at which the running sum of w closest passes uniform times its total
//     seed:       the candidate that leaves the least sum of w min(closest, |x - c|^2)
//
// A round reads all rows (seed.hpp). With a sketch it sifts (sift.hpp), reads what that leaves for those candidates
// that may be the best, and takes the seed in; draws, seeds and sums are those of reading all rows, to the bit. Cost:
// one read of X a round, or that of its sift, of the rows that this leaves, and 2 rows.
#pragma once

#include "kmeans/seed.hpp"
#include "kmeans/sift.hpp"

#include <chrono>

namespace gramfold {

template <class T>
struct Drawing {
    Index rounds, trials;
    const double* uniform;  // rounds x trials, in [0, 1)
    T* closest;             // rows: of the seeds so far
    const T* weights;       // or null for ones
    std::int32_t* labels;   // rows: the seed that each is nearest to; goes with a sketch
    std::int32_t first;     // the label of the first new seed
    double* sums;           // blocks: of w closest
    std::uint16_t* marks;   // rows: scratch; goes with a sketch
    double rounding;        // what rounding may be of two sums over all rows
    std::int64_t* chosen;   // rounds: the rows that are the new seeds
};

// Rounds that were made; balls that the last one looked into; rows of X that all of them read.
struct Drawn {
    Index rounds = 0, looked = 0, read = 0;
};

template <class T>
class Drawer {
  public:
    // sketch: or null, and then `shift` is not used.
    Drawer(const Dense<T>& x, const Drawing<T>& job, const Sketch* sketch, const std::vector<double>& shift,
           const Run& run)
        : x_(x), rows_(x.matrix()), job_(job), sketch_(sketch), shift_(shift), run_(run), n_(x.rows()), d_(x.cols()),
          blocks_((n_ + seed_block - 1) / seed_block), running_(std::size_t(blocks_)),
          ball_(std::size_t(sketch ? n_ : 0)), candidates_(job.trials * d_), wanted_(sketch ? job.trials * d_ : 0),
          out_(job.trials * n_), found_(blocks_ * job.trials) {
        for (Index place = 0; place < n_ && sketch; ++place)
            ball_[std::size_t(sketch->order[place])] = place / ball_rows;
    }

    // Ends before the first round in which nothing is left to be drawn from.
    Drawn operator()() {
        Drawn done;
        auto polled = std::chrono::steady_clock::now();
        for (; done.rounds < job_.rounds && sum_up(); ++done.rounds) {
            const auto now = std::chrono::steady_clock::now();
            if (run_.poll && now - polled > std::chrono::milliseconds(50)) {
                if (run_.poll()) throw Cancelled();
                polled = now;
            }
            Index rows[most_candidates];
            for (Index l = 0; l < job_.trials; ++l) {
                rows[l] = drawn(job_.uniform[done.rounds * job_.trials + l]);
                read(rows[l], candidates_.get() + l * d_);
            }
            job_.chosen[done.rounds] = rows[sketch_ ? best_sifted(done) : best_of_all(done)];
        }
        return done;
    }

  private:
    // Whether anything is left.
    bool sum_up() {
        double sum = 0;
        for (Index b = 0; b < blocks_; ++b) running_[std::size_t(b)] = sum += job_.sums[b];
        return sum > 0 && std::isfinite(sum);
    }

    // The row at which the running sum passes `uniform` times the total.
    Index drawn(double uniform) const {
        const double value = uniform * running_.back();
        const Index b =
            std::min(Index(std::lower_bound(running_.begin(), running_.end(), value) - running_.begin()), blocks_ - 1);
        const double before = b ? running_[std::size_t(b - 1)] : 0;
        const Index first = b * seed_block, count = std::min(seed_block, n_ - first);
        double mass[seed_block];  // apart from their sum: rounded
        for (Index i = 0; i < count; ++i)
            mass[i] = double(job_.closest[first + i]) * (job_.weights ? double(job_.weights[first + i]) : 1.0);
        Index passed = 0;
        double sum = 0;
        for (Index i = 0; i < count; ++i) passed += (sum += mass[i]) + before < value;
        return std::min(first + passed, n_ - 1);
    }

    void read(Index i, T* to) {
        if (rows_.has_rows()) std::copy_n(rows_.row(i), d_, to);
        else rows_.read(i, to);
    }

    // Takes the best candidate in; gives its number.
    Index best_of_all(Drawn& done) {
        done.read += seed(x_,
                          Seeding<T>{job_.trials, d_, candidates_.get(), job_.closest, job_.weights, out_.get(),
                                     found_.get(), nullptr, nullptr},
                          run_);
        const Index best = least_of(job_.trials);
        for (Index b = 0; b < blocks_; ++b) job_.sums[b] = found_.get()[b * job_.trials + best];
        std::copy_n(out_.get() + best * n_, n_, job_.closest);
        return best;
    }

    Index best_sifted(Drawn& done) {
        std::fill_n(job_.marks, n_, std::uint16_t(0));
        const Gains gains = sift(Sifting<T>{*sketch_, job_.closest, job_.weights, job_.marks}, candidates_.get(),
                                 job_.trials, shift_, run_);
        done.looked = gains.looked;
        return take(gains, std::int32_t(done.rounds) + job_.first, done.read);
    }

    Index take(const Gains& gains, std::int32_t label, Index& read) {
        const double unit = sketch_->scale * sketch_->scale;
        double least = 0;
        for (Index l = 0; l < job_.trials; ++l) least = std::max(least, unit * gains.least[std::size_t(l)]);
        std::int32_t bits[most_candidates];
        Index may_win = 0;
        for (Index l = 0; l < job_.trials; ++l) {
            const double most = unit * gains.most[std::size_t(l)];
            const bool may = !(most * (1 + 1e-6) + job_.rounding * running_.back() < least * (1 - 1e-6));
            if (!may && (may_win || l + 1 < job_.trials)) continue;  // of bounds that contradict each other, the last
            std::copy_n(candidates_.get() + l * d_, d_, wanted_.get() + may_win * d_);
            bits[may_win++] = std::int32_t(l);
        }
        read += seed(x_,
                     Seeding<T>{may_win, d_, wanted_.get(), job_.closest, job_.weights, out_.get(), found_.get(),
                                job_.marks, bits},
                     run_);
        const Index best = least_of(may_win);
        for (Index b = 0; b < blocks_; ++b) {
            const double sum = found_.get()[b * may_win + best];
            if (!std::isnan(sum)) job_.sums[b] = sum;
        }
        const T* distances = out_.get() + best * n_;
        each_marked(job_.marks, n_, std::uint16_t(1 << bits[best]), [&](Index i) {
            if (!(distances[i] < job_.closest[i])) return;
            job_.closest[i] = distances[i], job_.labels[i] = label;
            sketch_->reach[ball_[std::size_t(i)]] = std::numeric_limits<float>::infinity();
        });
        return bits[best];
    }

    // Of those that were read, which leaves the least sum; the first of several.
    Index least_of(Index count) const {
        Index best = 0;
        double least = std::numeric_limits<double>::infinity();
        for (Index l = 0; l < count; ++l) {
            double sum = 0;
            for (Index b = 0; b < blocks_; ++b) {
                const double found = found_.get()[b * count + l];
                sum += std::isnan(found) ? job_.sums[b] : found;
            }
            if (sum < least) least = sum, best = l;
        }
        return best;
    }

    const Dense<T>& x_;
    Rows<T> rows_;
    const Drawing<T>& job_;
    const Sketch* sketch_;
    const std::vector<double>& shift_;
    const Run& run_;
    Index n_, d_, blocks_;
    std::vector<double> running_;
    std::vector<Index> ball_;  // of each row
    Buffer<T> candidates_, wanted_, out_;
    Buffer<double> found_;
};

}  // namespace gramfold
