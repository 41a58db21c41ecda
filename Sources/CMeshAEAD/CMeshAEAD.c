#include "CMeshAEAD.h"
