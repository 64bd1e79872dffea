// One pass over X that codes its rows in a fixed dictionary: project, code, and if asked S += Z'X, gram += Z'Z.
//
// Codes are written to a dense Z (rows x k), or kept as the entries of a CSR matrix, group of rows by group. A row is
// doubtful if it has not converged, or if its code cancels, sum |z| |f| > cancels |Fz|: along dependent atoms rounding
// may have spoiled it.
#pragma once

#include "coding/omp.hpp"
#include "coding/sound_lasso.hpp"
#include "fold/csr.hpp"
#include "fold/packed.hpp"
#include "least_squares/pass_sums.hpp"

namespace gramfold {

// Codes of the rows first .. of one block, in the order of their columns.
template <class T>
struct CodePiece {
    std::vector<T> values;
    std::vector<std::int32_t> columns;
    std::vector<std::int32_t> met;  // of one row, in the order in which they joined
};

// Where codes go: `dense`, or pieces by first row / row_group, and the entries of each row.
template <class T>
struct CodeSink {
    Index rows, k;
    T* dense;
    std::vector<CodePiece<T>> pieces;
    std::vector<Index> sizes;

    CodeSink(Index n_rows, Index atoms, T* to) : rows(n_rows), k(atoms), dense(to) {
        if (dense) return;
        pieces.resize(static_cast<std::size_t>((rows + row_group - 1) / row_group));
        sizes.resize(static_cast<std::size_t>(rows));
    }

    template <class Rows>
    void put(Index row, CodePiece<T>* piece, const Rows& code, Index size) {
        if (dense) {
            T* to = dense + row * k;
            std::fill_n(to, k, T(0));
            for (Index a = 0; a < size; ++a) to[code.index(a)] = code.value(a);
            return;
        }
        auto& columns = piece->columns;
        auto& values = piece->values;
        auto& met = piece->met;
        met.resize(static_cast<std::size_t>(size));
        // Zeros come last. An entry's place is how many are before it: no comparison decides a branch.
        constexpr auto none = std::numeric_limits<std::int32_t>::max();
        std::size_t stored = 0;
        for (std::size_t a = 0; a < met.size(); ++a) {
            const bool zero = code.value(Index(a)) == 0;
            met[a] = zero ? none : static_cast<std::int32_t>(code.index(Index(a)));
            stored += !zero;
        }
        const std::size_t begin = columns.size();
        columns.resize(begin + stored), values.resize(begin + stored);
        for (std::size_t a = 0; a < met.size(); ++a) {
            if (met[a] == none) continue;
            std::int32_t before = 0;
            for (std::size_t b = 0; b < met.size(); ++b) before += met[b] < met[a];
            const std::size_t at = begin + static_cast<std::size_t>(before);
            columns[at] = met[a], values[at] = code.value(Index(a));
        }
        sizes[static_cast<std::size_t>(row)] = static_cast<Index>(stored);
    }
};

// What all rows of a pass share: who codes them, and what each is given.
template <class T, class Rows>
struct CodeTask {
    const Packed<T>& f;
    GramRows<T> gram;
    typename Rows::Rule rule;
    const T* start;        // rows x k or null
    const double* enough;  // rows or null
    bool* doubtful;        // rows or null, overwritten
    Index depth;           // rows projected at once
};

template <class T, class Source, class Rows>
class CodeWorker {
  public:
    CodeWorker(const Source& x, const CodeTask<T, Rows>& task, CodeSink<T>& sink, bool sums)
        : block_(x), task_(task), sink_(sink), k_(task.f.k), kp_(task.f.kp),
          stride_(round_up<Index>(task.depth, row_group)), p_(kp_ * stride_),
          by_component_(block_.project_by_component() ? kp_ * stride_ : 0), z_(sums ? kp_ * stride_ : 0), norms_(k_) {
        for (Index j = 0; j < k_; ++j) norms_.get()[j] = std::sqrt(task_.gram.exact[j * (k_ + 1)]);
        const auto together = static_cast<std::size_t>(Rows::together(task.gram, task.rule));
        rows_.reserve(together);
        while (rows_.size() < together) rows_.emplace_back(task.gram, task.rule);
    }

    void operator()(Index first, Index count, PassSums<T>& sums) {
        block_.open(first, count);
        if (by_component_.size()) {
            block_.project(task_.f.data, k_, kp_, by_component_.get(), stride_);
            transpose(k_, count, by_component_.get(), stride_, p_.get(), kp_);
        } else {
            block_.project(task_.f.data, k_, kp_, p_.get(), kp_);
        }
        if (z_.size()) z_.zero();
        CodePiece<T>* piece = sink_.dense ? nullptr : &sink_.pieces[static_cast<std::size_t>(first / row_group)];
        for (Index r = 0; r < count; r += Index(rows_.size())) {
            const auto here = std::min(rows_.size(), static_cast<std::size_t>(count - r));
            code(first, r, here);
            for (std::size_t i = 0; i < here; ++i) keep(first, r + Index(i), rows_[i], piece, sums);
        }
        if (sums.s.size()) block_.accumulate(z_.get(), k_, kp_, sums.s.get());
    }

  private:
    static constexpr double most = std::is_same_v<T, float> ? 16 : 1e3;

    // The `here` rows from the r-th of the block on, side by side.
    void code(Index first, Index r, std::size_t here) {
        for (std::size_t i = 0; i < here; ++i) {
            const Index at = r + Index(i), row = first + at;
            const double enough = task_.enough ? task_.enough[row] : std::numeric_limits<double>::infinity();
            rows_[i].begin(p_.get() + at * kp_, task_.start ? task_.start + row * k_ : nullptr, enough);
        }
        bool more[most_together];
        std::fill_n(more, here, true);
        const auto choose = [&] {
            bool any = false;
            for (std::size_t i = 0; i < here; ++i) any |= more[i] = more[i] && rows_[i].choose();
            return any;
        };
        while (choose())
            for (std::size_t i = 0; i < here; ++i)
                if (more[i]) rows_[i].join();
    }

    void keep(Index first, Index r, Rows& code, CodePiece<T>* piece, PassSums<T>& sums) {
        const RowCode done = code.end();
        sink_.put(first + r, piece, code, done.size);
        sums.stats.objective += done.objective;
        sums.stats.unconverged += done.unconverged;
        if (task_.doubtful) task_.doubtful[first + r] = done.unconverged || cancels(code, done);
        if (z_.size()) add(z_.get() + r * kp_, code, done.size, sums.gram.get());
    }

    bool cancels(const Rows& code, const RowCode& done) const {
        double size = 0;
        for (Index a = 0; a < done.size; ++a) size += std::abs(double(code.value(a))) * norms_.get()[code.index(a)];
        return !(size * size <= most * most * -2 * done.objective);  // at most |Fz|^2
    }

    void add(T* z, const Rows& code, Index size, double* gram) const {
        for (Index a = 0; a < size; ++a) {
            const double value = double(code.value(a));
            z[code.index(a)] = code.value(a);
            for (Index b = 0; b < size; ++b) gram[code.index(a) * k_ + code.index(b)] += value * double(code.value(b));
        }
    }

    typename Source::Block block_;
    const CodeTask<T, Rows>& task_;
    CodeSink<T>& sink_;
    Index k_, kp_, stride_;
    std::vector<Rows> rows_;  // as many as go side by side
    Buffer<T> p_, by_component_, z_;
    Buffer<double> norms_;
};

// `s` (cols x k, or null) is overwritten with X'Z; Z'Z is summed if there is `s`.
template <class T, class Rows, class Source>
std::unique_ptr<PassSums<T>> run_code(const Source& x, const Packed<T>& f, const double* gram, typename Rows::Rule rule,
                                      const T* start, const double* enough, bool* doubtful, CodeSink<T>& sink, T* s,
                                      const Run& run) {
    const Index k = f.k, kp = f.kp, gp = round_up<Index>(k, lanes<T>);
    const Buffer<T> padded = padded_rows<T>(gram, k, gp);
    Plan plan = x.plan(k, s);
    // The products of a block leave room for G in the second-level cache.
    const Index fit = (Index{128} << 10) / (kp * Index(sizeof(T))) / row_group * row_group;
    plan.block = std::max(row_group, std::min(fit, plan.block));
    plan.work = double(x.rows()) * double(k) * (double(x.work_per_row()) + 256);
    const CodeTask<T, Rows> task{f, {padded.get(), k, gp, gram}, rule, start, enough, doubtful, plan.block};
    auto sums = fold(
        plan, run,
        [&] {
            auto of_chunk = std::make_unique<PassSums<T>>();
            if (s) {
                of_chunk->s = Buffer<T>(sums_size(x, k, kp));
                of_chunk->gram = Buffer<double>(k * k);
            }
            of_chunk->clear();
            return of_chunk;
        },
        [&] { return CodeWorker<T, Source, Rows>(x, task, sink, s != nullptr); });
    if (s) read_sums(x, k, kp, sums->s.get(), s);
    return sums;
}

}  // namespace gramfold
