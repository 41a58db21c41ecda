// The system's libsecp256k1, for signatures that tell their key (Debian: libsecp256k1-dev).
#include <secp256k1.h>
#include <secp256k1_recovery.h>
