#include "fold/file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "fold/fold.hpp"

namespace gramfold {

namespace {

// A call of the system costs as much as copying some KiB. Lines that lie apart are read far along, as each is a call.
constexpr Index worth = Index{128} << 10, together = Index{256} << 10, apart = Index{4} << 20;

// A row of so many bytes may have a place of its own in a call that reads several.
constexpr Index long_row = Index{2} << 10;

// So much is asked for ahead of what is read, and in such pieces: some thousandths of a second of a fast disk.
constexpr Index ahead = Index{32} << 20, piece = Index{4} << 20;

}  // namespace

// Whether all of it was in the system's cache: then there is no waiting, and nothing to ask for.
bool File::read_cached([[maybe_unused]] Index at, [[maybe_unused]] Index bytes,
                       [[maybe_unused]] const std::vector<iovec>& to) {
#ifdef RWF_NOWAIT
    return preadv2(descriptor_, to.data(), static_cast<int>(to.size()), at, RWF_NOWAIT) == bytes;
#else
    return false;
#endif
}

// The next pieces in the order of the fold, once for all readers.
void File::ask([[maybe_unused]] Index at, [[maybe_unused]] Index bytes) {
#ifdef POSIX_FADV_WILLNEED
    const Index from = backwards_ ? at : at + bytes, sign = backwards_ ? -1 : 1;
    Index asked = asked_.load(std::memory_order_relaxed);
    const Index reach = asked < 0 ? 0 : sign * (asked - from);  // how far ahead of here all is asked for
    if (reach >= ahead - piece && reach <= 2 * ahead) return;
    const Index to = std::max<Index>(0, from + sign * ahead);
    if (!asked_.compare_exchange_strong(asked, to)) return;  // another reader does it
    const Index begin = reach > 0 && reach < ahead ? asked : from;
    posix_fadvise(descriptor_, std::min(begin, to), std::abs(to - begin), POSIX_FADV_WILLNEED);
#endif
}

void File::read(Index at, const std::vector<iovec>& to) {
    Index bytes = 0;
    for (const iovec& place : to) bytes += Index(place.iov_len);
    if (!cold_.load(std::memory_order_relaxed)) {
        if (read_cached(at, bytes, to)) return;
        cold_ = true;
    }
    if (bytes >= worth) ask(at, bytes);
    for (const iovec& place : to) {
        char* next = static_cast<char*>(place.iov_base);
        for (std::size_t left = place.iov_len; left > 0;) {
            const auto got = pread(descriptor_, next, left, at);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) throw FileError(got < 0 ? errno : 0, path_, at);
            at += got, next += got, left -= static_cast<std::size_t>(got);
        }
    }
}

Strip::Strip(std::shared_ptr<File> file, Index at, Index rows, Index cols, Index row_step, Index col_step, Index item,
             bool by_cols)
    : file_(std::move(file)), at_(at), rows_(rows), cols_(cols), file_row_step_(row_step), file_col_step_(col_step),
      item_(item), by_cols_(by_cols) {}

Strip& Strip::operator=(const Strip& other) {
    if (this == &other) return *this;
    *this = Strip(other.file_, other.at_, other.rows_, other.cols_, other.file_row_step_, other.file_col_step_,
                  other.item_, other.by_cols_);
    return *this;
}

void Strip::swap_sides() { *this = Strip(file_, at_, cols_, rows_, file_col_step_, file_row_step_, item_, !by_cols_); }

void Strip::have(Index first, Index count, Index c, Index n) {
    const Part wanted{first, count, c, n};
    if (!bytes_.empty() && part_.has(wanted)) return;
    read(widened(wanted));
}

// Whole rows where they are short, and more of them up to the end of the reader's chunk: where several are wanted, or
// those behind the last ones; or where every line is a call of the system. As many times what is wanted as fit: of what
// is likely to be wanted next nothing is then left over, to be read again.
Strip::Part Strip::widened(Part wanted) const {
    Part part = wanted;
    if (!by_cols_ && part.n < cols_ && part.count * cols_ * item_ <= most_block_bytes) part.c = 0, part.n = cols_;
    const bool on = part.count > 1 || by_cols_ || part.first == behind_;
    const Index line = std::max<Index>(1, part.n * item_), fit = (by_cols_ ? apart : together) / line;
    const Index times = fit / std::max<Index>(1, part.count) * part.count;
    if (on) part.count = std::max(part.count, std::min(times, fold_detail::rows_to_come(part.first)));
    part.count = std::min(part.count, rows_ - part.first);
    return part;
}

void Strip::read(const Part& part) {
    const Index lines = by_cols_ ? part.n : part.count, entries = by_cols_ ? part.count : part.n;
    const Index step = by_cols_ ? file_col_step_ : file_row_step_, inner = by_cols_ ? file_row_step_ : file_col_step_;
    const Index length = (entries - 1) * std::abs(inner) + item_;
    const Index from = at_ + part.first * file_row_step_ + part.c * file_col_step_ +
                       std::min<Index>(0, inner) * (entries - 1);  // the least byte of the first line
    const bool whole = std::abs(step) <= 2 * length || lines == 1;
    const Index between = whole ? step : length, size = (lines - 1) * std::abs(between) + length;
    part_ = {};
    if (Index(bytes_.size()) < size) bytes_.resize(static_cast<std::size_t>(size));
    if (whole) file_->read(from + std::min<Index>(0, step) * (lines - 1), size, bytes_.data());
    else
        for (Index l = 0; l < lines; ++l) file_->read(from + l * step, length, bytes_.data() + l * length);
    start_ = (between < 0 ? -between * (lines - 1) : 0) + (inner < 0 ? -inner * (entries - 1) : 0);
    row_step_ = by_cols_ ? inner : between, col_step_ = by_cols_ ? between : inner;
    part_ = part, behind_ = part.first + part.count;
}

bool Strip::read_straight(Index first, Index count, char* to) {
    const Index row = cols_ * item_, bytes = count * row;
    if (by_cols_ || file_col_step_ != item_ || file_row_step_ != row || bytes < worth) return false;
    file_->read(at_ + first * row, bytes, to);
    return true;
}

Index Strip::along(Index first) const {
    const Index row = cols_ * item_;
    if (by_cols_ || file_col_step_ != item_ || file_row_step_ != row || row < long_row) return 0;
    // No more than go through the second-level cache beside what they meet.
    return std::min(widened({first, 1, 0, cols_}).count, (worth + row - 1) / row);
}

void Strip::read_apart(Index first, Index count, const std::vector<iovec>& to) {
    file_->read(at_ + first * file_row_step_, to);
    behind_ = first + count;
}

}  // namespace gramfold
