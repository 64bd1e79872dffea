// Atoms updated through the residual R = X - ZD, which is kept (n x m): what the Gram matrix of the codes cannot do,
// since entries are unobserved, or since the codes move along with their atom.
//
// An atom needs the rows that use it, and no others: two folds over these rows, of which the second finds them in
// the caches. Cost per code that is not 0: 2 m FMA, R read twice and written once.
#pragma once

#include "dictionary/atoms.hpp"

namespace gramfold {

// Codes in compressed form, by rows (CSR) or by atoms (CSC).
template <class T>
struct Compressed {
    T* data;
    const std::int32_t* indices;
    const std::int64_t* starts;

    Index size(Index i) const { return starts[i + 1] - starts[i]; }
};

struct Nothing {
    void clear() {}
    Nothing& operator+=(const Nothing&) { return *this; }
};

// Sums over the rows that use an atom, in double.
struct AtomSums {
    Buffer<double> first, second;
    double scalar = 0;

    explicit AtomSums(Index m, bool both) : first(m), second(both ? m : 0) { clear(); }
    void clear() { first.zero(), second.zero(), scalar = 0; }
    AtomSums& operator+=(const AtomSums& o) {
        for (Index c = 0; c < first.size(); ++c) first.get()[c] += o.first.get()[c];
        for (Index c = 0; c < second.size(); ++c) second.get()[c] += o.second.get()[c];
        scalar += o.scalar;
        return *this;
    }
};

// Rows of m entries that are read and written from anywhere: worth a thread sooner than products in the caches.
template <class T>
Plan row_plan(Index rows, Index m) {
    Plan p = plan(rows, m * Index(sizeof(T)));
    p.work = 32.0 * double(rows) * double(m);
    return p;
}

// f(row, sums) for each of `rows` rows; each worker has a copy of f.
template <class MakeSums, class F>
auto fold_rows(const Plan& plan, const Run& run, MakeSums make_sums, const F& worker) {
    return fold(plan, run, make_sums, [&] {
        return [f = worker](Index first, Index count, auto& sums) mutable {
            for (Index r = first; r < first + count; ++r) f(r, sums);
        };
    });
}

// out = X - ZD, 0 where w is 0; errors: the squared norm of each row, weighted. z: CSR; w may be null.
template <class T>
void residual(const Rows<T>& x, const T* w, const Compressed<T>& z, const T* d, T* out, double* errors,
              const Run& run) {
    const Index m = x.cols;
    fold_rows(
        row_plan<T>(x.rows, m), run, [] { return std::make_unique<Nothing>(); },
        [=, x = x](Index r, Nothing&) mutable {
            T* to = out + r * m;
            x.read(r, to);
            for (Index e = z.starts[r]; e < z.starts[r + 1]; ++e) {
                const T value = z.data[e];
                const T* atom = d + Index(z.indices[e]) * m;
                for (Index c = 0; c < m; ++c) to[c] -= value * atom[c];
            }
            if (!w) {
                errors[r] = squared_norm(to, m);
                return;
            }
            double total = 0;
            for (Index c = 0; c < m; ++c) {
                const T weight = w[r * m + c];
                to[c] = weight > 0 ? to[c] : T(0);
                total += double(weight) * double(to[c]) * double(to[c]);
            }
            errors[r] = total;
        });
}

// sum += s * row, in double.
template <class T>
inline void add_row(const T* row, T s, Index m, double* sum) {
    for (Index c = 0; c < m; ++c) sum[c] += double(s) * double(row[c]);
}

template <class T>
inline double dot(const T* a, const T* b, Index m) {
    double sum[8] = {};
    Index c = 0;
    for (; c + 8 <= m; c += 8)
        for (Index l = 0; l < 8; ++l) sum[l] += double(a[c + l]) * double(b[c + l]);
    for (; c < m; ++c) sum[c % 8] += double(a[c]) * double(b[c]);
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

// d = g / |g|, of max(g, 0) if nonneg: the unit vector with the largest g'd. False, and d left alone, where g is 0.
// By way of g over its largest entry, whose squares stay in range.
template <class T>
bool to_sphere(const double* g, Index m, bool nonneg, T* d) {
    const Index top = std::max_element(g, g + m) - g;
    double largest = m > 0 ? g[top] : 0, norm = 0;
    const bool corner = nonneg && largest < 0;
    if (corner) {
        for (Index c = 0; c < m; ++c) d[c] = T(c == top);
        return true;
    }
    for (Index c = 0; !nonneg && c < m; ++c) largest = std::max(largest, -g[c]);
    if (!(largest > 0)) return false;
    const auto part = [&](Index c) { return nonneg && g[c] < 0 ? 0 : g[c] / largest; };
    for (Index c = 0; c < m; ++c) norm += part(c) * part(c);
    const double scale = 1 / std::sqrt(norm);
    for (Index c = 0; c < m; ++c) d[c] = T(part(c) * scale);
    return true;
}

// One sweep of approximate K-SVD (Rubinstein, Zibulevsky & Elad 2008, algorithm 5): with E = R_I + z d' over the rows I
// that use the atom, d <- E'z / |E'z|, then z <- E d. r: n x m; z: CSC; d: k x m; all are overwritten.
template <class T>
void ksvd_atoms(Index k, Index m, T* r, const Compressed<T>& z, T* d, bool nonneg_codes, bool nonneg_atoms,
                const Run& run) {
    Buffer<T> old(m);
    Poller poll(run);
    for (Index j = 0; j < k; ++j) {
        poll();
        const Index count = z.size(j);
        T *codes = z.data + z.starts[j], *atom = d + j * m;
        const std::int32_t* rows = z.indices + z.starts[j];
        if (count == 0) continue;
        const Plan p = row_plan<T>(count, m);
        const auto sums = fold_rows(
            p, run, [&] { return std::make_unique<AtomSums>(m, false); },
            [&](Index e, AtomSums& s) {
                add_row(r + Index(rows[e]) * m, codes[e], m, s.first.get());
                s.scalar += double(codes[e]) * double(codes[e]);
            });
        std::copy_n(atom, m, old.get());
        for (Index c = 0; c < m; ++c) sums->first.get()[c] += sums->scalar * double(atom[c]);
        if (!to_sphere(sums->first.get(), m, nonneg_atoms, atom)) continue;
        const double turned = dot(old.get(), atom, m);
        fold_rows(
            p, run, [] { return std::make_unique<Nothing>(); },
            [&](Index e, Nothing&) {
                T* row = r + Index(rows[e]) * m;
                const T before = codes[e], moved = T(dot(row, atom, m) + double(before) * turned);
                const T after = nonneg_codes && moved < 0 ? T(0) : moved;
                codes[e] = after;
                for (Index c = 0; c < m; ++c) row[c] += before * old.get()[c] - after * atom[c];
            });
    }
}

// The minimiser of sum_c h_c d_c^2 / 2 - s_c d_c over |d| <= 1: d_c = s_c / (h_c + t), t >= 0 by Newton's method on
// 1 / |d(t)|, which rises to it from t = 0 without passing it. s_c must be 0 where h_c is.
template <class T>
void weighted_ball(const double* s, const double* h, Index m, bool ball, T* d) {
    double t = 0, norm2 = 0;
    for (int round = 0; round < 100; ++round) {
        double slope = 0;
        norm2 = 0;
        for (Index c = 0; c < m; ++c) {
            const double value = s[c] == 0 ? 0 : s[c] / (h[c] + t);
            norm2 += value * value;
            if (value != 0) slope += value * value / (h[c] + t);
        }
        if (!ball || norm2 <= 1 + 1e-14) break;
        t += norm2 / slope * (std::sqrt(norm2) - 1);
    }
    for (Index c = 0; c < m; ++c) d[c] = T(s[c] == 0 ? 0 : s[c] / (h[c] + t));
    if (ball) into_ball(d, m);
}

// One sweep of block coordinate descent for X seen in part, or weighted: for atom j the curvature of column c is
// h_c = sum_i w_ic z_ij^2, so that the ball does more than scale. r: n x m, 0 where w is; z: CSC. Overwrites r and d.
template <class T>
void masked_atoms(Index k, Index m, T* r, const T* w, const Compressed<T>& z, T* d, const AtomRule& rule,
                  const Run& run) {
    Buffer<T> step(m);
    Poller poll(run);
    for (Index j = 0; j < k; ++j) {
        poll();
        const Index count = z.size(j);
        const T* codes = z.data + z.starts[j];
        const std::int32_t* rows = z.indices + z.starts[j];
        T* atom = d + j * m;
        if (!(squared_norm(codes, count) > rule.unused)) continue;
        const Plan p = row_plan<T>(count, m);
        const auto sums = fold_rows(
            p, run, [&] { return std::make_unique<AtomSums>(m, true); },
            [&](Index e, AtomSums& s) {
                const T *row = r + Index(rows[e]) * m, *weight = w + Index(rows[e]) * m;
                const double value = double(codes[e]);
                double *g = s.first.get(), *h = s.second.get();
                for (Index c = 0; c < m; ++c) {
                    const double wz = double(weight[c]) * value;
                    g[c] += wz * double(row[c]);
                    h[c] += wz * value;
                }
            });
        double *g = sums->first.get(), *h = sums->second.get();
        for (Index c = 0; c < m; ++c) {
            g[c] = shrunk(g[c] + h[c] * double(atom[c]), rule.l1, rule.nonneg);
            if (h[c] == 0) g[c] = 0;
            h[c] += rule.l2;
        }
        std::copy_n(atom, m, step.get());
        weighted_ball(g, h, m, rule.ball, atom);
        for (Index c = 0; c < m; ++c) step.get()[c] = atom[c] - step.get()[c];
        fold_rows(
            p, run, [] { return std::make_unique<Nothing>(); },
            [&](Index e, Nothing&) {
                T* row = r + Index(rows[e]) * m;
                const T* weight = w + Index(rows[e]) * m;
                for (Index c = 0; c < m; ++c) row[c] -= weight[c] > 0 ? codes[e] * step.get()[c] : T(0);
            });
    }
}

}  // namespace gramfold
