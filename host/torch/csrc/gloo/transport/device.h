// Stands in for the header of Gloo that c10d includes and the wheel leaves out.
#pragma once

#include <gloo/context.h>
