// The trainer for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define UNSTUCK_ISA v3
#define UNSTUCK_BYTES 32
#include "trainers.hpp"
