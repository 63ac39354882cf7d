// The trainer for one instruction set; CMakeLists.txt gives this file its compiler flags.
#define UNSTUCK_ISA baseline
#define UNSTUCK_BYTES 16
#include "trainers.hpp"
