// Rows that lie in a file: read block by block into the reader's own memory, never mapped, so that memory does not grow
// with X and a file that shrinks is an error like any other.
#pragma once

#include <sys/uio.h>

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "fold/convert.hpp"

namespace gramfold {

// What the operating system said, or 0 where the file ends before `at`.
struct FileError : std::exception {
    int code;
    std::string path;
    Index at;

    FileError(int said, std::string of, Index from) : code(said), path(std::move(of)), at(from) {}
    const char* what() const noexcept override { return "a file could not be read"; }
};

// An open file for one fold. Its readers share the descriptor, and what was asked for ahead.
class File {
  public:
    File(int descriptor, std::string path, bool backwards)
        : descriptor_(descriptor), path_(std::move(path)), backwards_(backwards) {}

    // What lies from `at` on, into places one after the other. Where it was not in the system's cache, what follows is
    // asked for.
    void read(Index at, const std::vector<iovec>& to);
    void read(Index at, Index bytes, char* to) { read(at, {{to, static_cast<std::size_t>(bytes)}}); }

  private:
    bool read_cached(Index at, Index bytes, const std::vector<iovec>& to);
    void ask(Index at, Index bytes);

    int descriptor_;
    std::string path_;
    bool backwards_;
    std::atomic<bool> cold_{false};
    std::atomic<Index> asked_{-1};  // what lies before it has been asked for; backwards, what lies behind it
};

// A matrix in a file, of which the rows and columns that were read last are kept as they lie there. A copy keeps none.
class Strip {
  public:
    Strip() = default;
    // Item (0, 0) lies at byte `at`. by_cols: columns are the lines that lie together.
    Strip(std::shared_ptr<File> file, Index at, Index rows, Index cols, Index row_step, Index col_step, Index item,
          bool by_cols);
    Strip(const Strip& other) : Strip() { *this = other; }
    Strip& operator=(const Strip& other);
    Strip(Strip&&) = default;
    Strip& operator=(Strip&&) = default;

    explicit operator bool() const { return bool(file_); }

    // Has these rows and columns at hand; what is likely to be read next comes with them.
    void have(Index first, Index count, Index c, Index n);
    const char* item(Index r, Index c) const {
        return bytes_.data() + start_ + (r - part_.first) * row_step_ + (c - part_.c) * col_step_;
    }
    Index row_step() const { return row_step_; }
    Index col_step() const { return col_step_; }

    // Reads whole rows to where they are wanted one behind the other, if that is one read worth a call of the system.
    bool read_straight(Index first, Index count, char* to);
    // How many whole rows from `first` on are worth reading at once, each to a place of its own; 0 if they do not lie
    // so.
    Index along(Index first) const;
    void read_apart(Index first, Index count, const std::vector<iovec>& to);
    void swap_sides();

  private:
    struct Part {
        Index first = 0, count = 0, c = 0, n = 0;
        bool has(const Part& o) const {
            return o.first >= first && o.first + o.count <= first + count && o.c >= c && o.c + o.n <= c + n;
        }
    };

    Part widened(Part wanted) const;
    void read(const Part& part);

    std::shared_ptr<File> file_;
    Index at_ = 0, rows_ = 0, cols_ = 0, file_row_step_ = 0, file_col_step_ = 0, item_ = 1;
    bool by_cols_ = false;
    Part part_;
    Index behind_ = 0;  // the row behind those that were read last
    Index start_ = 0, row_step_ = 0, col_step_ = 0;
    std::vector<char> bytes_;
};

// Items one after the other in a file: the entries of a CSR matrix, or their columns.
struct FileItems {
    std::shared_ptr<File> file;
    Index at = 0, item = 1;  // of the first; bytes of one

    explicit operator bool() const { return bool(file); }
    void read(Index first, Index count, char* to) const { file->read(at + first * item, count * item, to); }
};

}  // namespace gramfold
