// The module of the memory room: what Python asks of it, and NumPy's functions.
#include <Python.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "room/room.hpp"

using namespace gramfold;

namespace {

PyObject* (*set_handler)(PyObject*) = nullptr;

constexpr const char* kind = "mem_handler";

// The Room is left to arrays that hold the capsule.
void forget(PyObject* capsule) {
    auto* handler = static_cast<Handler*>(PyCapsule_GetPointer(capsule, kind));
    if (handler) delete static_cast<Room*>(handler->allocator.ctx);
}

PyObject* make(PyObject*, PyObject* arguments) {
    unsigned long long budget;
    const char* folder;
    if (!PyArg_ParseTuple(arguments, "Ks", &budget, &folder)) return nullptr;
    auto* room = new Room(budget, folder);
    PyObject* capsule = PyCapsule_New(&room->handler, kind, forget);
    if (!capsule) delete room;
    return capsule;
}

Room* room_of(PyObject* capsule) {
    auto* handler = static_cast<Handler*>(PyCapsule_GetPointer(capsule, kind));
    if (!handler) return nullptr;
    if (std::strcmp(handler->name, Room::name) != 0) {
        PyErr_SetString(PyExc_TypeError, "a room is asked for");
        return nullptr;
    }
    return static_cast<Room*>(handler->allocator.ctx);
}

// Sets a handler, None for NumPy's own, and gives the one before.
PyObject* use(PyObject*, PyObject* capsule) { return set_handler(capsule == Py_None ? nullptr : capsule); }

PyObject* state(PyObject*, PyObject* capsule) {
    Room* room = room_of(capsule);
    if (!room) return nullptr;
    const auto [used, in_files, most, refused] = room->state();
    return Py_BuildValue("KKKK", static_cast<unsigned long long>(used), static_cast<unsigned long long>(in_files),
                         static_cast<unsigned long long>(most), static_cast<unsigned long long>(refused));
}

PyObject* rest(PyObject*, PyObject* capsule) {
    Room* room = room_of(capsule);
    if (!room) return nullptr;
    Py_BEGIN_ALLOW_THREADS room->rest();
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

// Gives back what malloc has kept of memory that nothing uses, of arrays of all sizes and of kernels.
PyObject* trim(PyObject*, PyObject*) {
    Py_BEGIN_ALLOW_THREADS
#ifdef __GLIBC__
        malloc_trim(0);
#endif
    Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

// Has kernels look between blocks, at the place that they give for it.
PyObject* look_between(PyObject*, PyObject* capsule) {
    void* place = PyCapsule_GetPointer(capsule, "gramfold.between_blocks");
    if (!place) return nullptr;
    *static_cast<std::atomic<void (*)()>*>(place) = Watch::between_blocks;
    Py_RETURN_NONE;
}

// NumPy's functions, from the table that its headers use.
bool find_numpy() {
    PyObject* module = PyImport_ImportModule("numpy._core._multiarray_umath");
    if (!module) {
        PyErr_Clear();
        module = PyImport_ImportModule("numpy.core._multiarray_umath");
    }
    PyObject* table = module ? PyObject_GetAttrString(module, "_ARRAY_API") : nullptr;
    Py_XDECREF(module);
    void** api = table ? static_cast<void**>(PyCapsule_GetPointer(table, nullptr)) : nullptr;
    Py_XDECREF(table);
    if (!api) return false;
    set_handler = reinterpret_cast<PyObject* (*)(PyObject*)>(api[304]);
    PyObject* own = *static_cast<PyObject**>(api[306]);
    auto* handler = own ? static_cast<Handler*>(PyCapsule_GetPointer(own, kind)) : nullptr;
    if (!handler || handler->version != 1) return false;
    usual = &handler->allocator;
    return true;
}

int prepare(PyObject*) {
    if (find_numpy()) return 0;
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_ImportError, "NumPy's memory handlers are not as they were");
    return -1;
}

PyMethodDef functions[] = {{"make", make, METH_VARARGS, nullptr},
                           {"use", use, METH_O, nullptr},
                           {"state", state, METH_O, nullptr},
                           {"rest", rest, METH_O, nullptr},
                           {"trim", trim, METH_NOARGS, nullptr},
                           {"look_between", look_between, METH_O, nullptr},
                           {}};
PyModuleDef_Slot slots[] = {{Py_mod_exec, reinterpret_cast<void*>(prepare)},
#ifdef Py_mod_gil
                            {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                            {}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_room", nullptr, 0, functions, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__room() { return PyModuleDef_Init(&definition); }
