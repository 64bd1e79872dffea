// Which instruction set this machine and its operating system offer; built for the baseline, no globals. The build runs
// it as a program, to find out what level to compile.
#ifndef GRAMFOLD_PROGRAM
#include <Python.h>
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

namespace {

PyObject* level_of_machine(PyObject*, PyObject*) { return PyLong_FromLong(level()); }

PyMethodDef functions[] = {{"level", level_of_machine, METH_NOARGS, nullptr}, {}};
PyModuleDef_Slot slots[] = {
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_cpu", nullptr, 0, functions, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__cpu() { return PyModuleDef_Init(&definition); }
#endif
