// The trainer for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define UNSTUCK_ISA v4
#define UNSTUCK_BYTES 64
#include "trainers.hpp"
