// One sweep of SOUP-DIL (Ravishankar, Nadakuditi & Fessler 2017): atom after atom, its codes in closed form, then
// itself.
//
//     b = (R + z_j d_j') d_j      z_j <- shrink(b)      d_j <- E'z_j / |E'z_j|,  E = R + (old z_j)(old d_j)'
//     minimises 1/2 |X - ZD|^2 + penalty(Z), |d_j| = 1;  penalty l |Z|_0 keeps b where b^2 / 2 > l,  l |Z|_1 shrinks b
//     by l
//
// b of a block of atoms is one product with R, which is read once a block; the few rows whose codes of an atom are
// not 0 before or after correct it for the atoms to come. Cost: n m k FMA, and 3 m FMA for each such row.
#pragma once

#include "dictionary/residual.hpp"

namespace gramfold {

template <class T>
struct SoupRule {
    T l;
    bool hard, nonneg_codes, nonneg_atoms;

    T operator()(T b) const {
        if (!hard) return shrunk(b, l, nonneg_codes);
        return b * b > 2 * l && !(nonneg_codes && b < 0) ? b : T(0);
    }
};

template <class T>
struct SoupCodes {
    std::vector<T> values;
    std::vector<std::int32_t> rows;
    std::vector<std::int64_t> starts{0};
};

template <class T>
class Soup {
  public:
    // r: n x m; z: CSC; d: k x m of norm 1. r and d are overwritten.
    Soup(Index n, Index m, Index k, T* r, const Compressed<T>& z, T* d, const SoupRule<T>& rule, const Run& run)
        : n_(n), m_(m), k_(k), r_(r), z_(z), d_(d), rule_(rule), run_(run), plan_(row_plan<T>(n, m)), b_(block * n),
          old_codes_(n), codes_(n), across_(m * block), old_(m) {
        old_codes_.zero(), codes_.zero();
    }

    SoupCodes<T> sweep() {
        Poller poll(run_);
        for (Index first = 0; first < k_; first += block) {
            const Index count = std::min(block, k_ - first);
            project(first, count);
            for (Index i = 0; i < count; ++i) {
                poll();
                one(first, i, count);
            }
        }
        return std::move(out_);
    }

  private:
    static constexpr Index block = 16;

    // b (block x n) = (R D')' for the atoms of a block.
    void project(Index first, Index count) {
        for (Index i = 0; i < count; ++i)
            for (Index c = 0; c < m_; ++c) across_.get()[c * count + i] = d_[(first + i) * m_ + c];
        fold(
            plan_, run_, [] { return std::make_unique<Nothing>(); },
            [&] {
                return [&, p = std::make_shared<Buffer<T>>(plan_.block * count)](Index row, Index rows, Nothing&) {
                    product(rows, count, m_, r_ + row * m_, m_, Index{1}, across_.get(), count, p->get(), count, false);
                    transpose(rows, count, p->get(), count, b_.get() + row, n_);
                };
            });
    }

    void one(Index first, Index i, Index count) {
        const Index j = first + i;
        T *old = old_codes_.get(), *codes = codes_.get(), *atom = d_ + j * m_;
        for (Index e = z_.starts[j]; e < z_.starts[j + 1]; ++e) old[z_.indices[e]] = z_.data[e];
        const T* b = b_.get() + i * n_;
        const auto sums = fold(
            plan_, run_, [&] { return std::make_unique<AtomSums>(m_, false); },
            [&] {
                return [&](Index row, Index rows, AtomSums& s) {
                    for (Index r = row; r < row + rows; ++r) codes[r] = rule_(b[r] + old[r]);
                    each_touched(row, rows, [&](Index r) {
                        if (codes[r] == 0) return;
                        add_row(r_ + r * m_, codes[r], m_, s.first.get());
                        s.scalar += double(codes[r]) * double(old[r]);
                    });
                };
            });
        std::copy_n(atom, m_, old_.get());
        for (Index c = 0; c < m_; ++c) sums->first.get()[c] += sums->scalar * double(atom[c]);
        to_sphere(sums->first.get(), m_, rule_.nonneg_atoms, atom);
        correct(first, i, count);
        for (Index r = 0; r < n_; ++r)
            if (codes[r] != 0) out_.values.push_back(codes[r]), out_.rows.push_back(std::int32_t(r));
        out_.starts.push_back(std::int64_t(out_.values.size()));
        for (Index e = z_.starts[j]; e < z_.starts[j + 1]; ++e) old[z_.indices[e]] = 0;
    }

    // R and the b of the atoms to come, for the rows whose codes of atom first + i are not 0 before or after.
    void correct(Index first, Index i, Index count) {
        const T *old = old_codes_.get(), *codes = codes_.get(), *atom = d_ + (first + i) * m_;
        T before[block], after[block];
        for (Index o = i + 1; o < count; ++o) {
            before[o] = T(dot(old_.get(), d_ + (first + o) * m_, m_));
            after[o] = T(dot(atom, d_ + (first + o) * m_, m_));
        }
        fold(
            plan_, run_, [] { return std::make_unique<Nothing>(); },
            [&] {
                return [&](Index row, Index rows, Nothing&) {
                    each_touched(row, rows, [&](Index r) {
                        T* to = r_ + r * m_;
                        for (Index c = 0; c < m_; ++c) to[c] += old[r] * old_.get()[c] - codes[r] * atom[c];
                        for (Index o = i + 1; o < count; ++o)
                            b_.get()[o * n_ + r] += old[r] * before[o] - codes[r] * after[o];
                    });
                };
            });
    }

    template <class F>
    void each_touched(Index row, Index rows, F f) const {
        const T *old = old_codes_.get(), *codes = codes_.get();
        constexpr Index step = 16;
        for (Index r = row; r < row + rows; r += step) {
            const Index end = std::min(r + step, row + rows);
            int some = 0;
            for (Index i = r; i < end; ++i) some |= (old[i] != 0) | (codes[i] != 0);
            if (!some) continue;
            for (Index i = r; i < end; ++i)
                if (old[i] != 0 || codes[i] != 0) f(i);
        }
    }

    Index n_, m_, k_;
    T* r_;
    const Compressed<T>& z_;
    T* d_;
    const SoupRule<T>& rule_;
    const Run& run_;
    Plan plan_;
    Buffer<T> b_, old_codes_, codes_, across_, old_;
    SoupCodes<T> out_;
};

}  // namespace gramfold
