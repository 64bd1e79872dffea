// Which instruction set this machine and its operating system offer; built for the baseline, no globals. The build runs
// it as a program, to find out what level to compile.
#ifndef GRAMFOLD_PROGRAM
#include <pybind11/pybind11.h>
#endif

namespace {

int level() {
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("x86-64-v4")) return 4;
    if (__builtin_cpu_supports("x86-64-v3")) return 3;
    if (__builtin_cpu_supports("x86-64-v2")) return 2;
    return 0;
#elif defined(__aarch64__)
    return 2;
#else
    return 0;
#endif
}

}  // namespace

#ifdef GRAMFOLD_PROGRAM
int main() { return level(); }
#else
PYBIND11_MODULE(_cpu, m, pybind11::mod_gil_not_used()) { m.def("level", &level); }
#endif
