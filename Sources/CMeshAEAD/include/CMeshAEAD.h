#pragma once
#include <stddef.h>
#include <stdint.h>

// The few prototypes of the one-shot AEAD of the BoringSSL that swift-crypto links. swift-crypto exports no product
// for them; its objects are in the executable anyway. A renamed symbol fails at link time, never silently.

typedef struct evp_aead_st mesh_aead;
typedef struct evp_aead_ctx_st mesh_aead_context;

const mesh_aead *_Nonnull CCryptoBoringSSL_EVP_aead_chacha20_poly1305(void);

mesh_aead_context *_Nullable CCryptoBoringSSL_EVP_AEAD_CTX_new(const mesh_aead *_Nonnull aead,
                                                               const uint8_t *_Nonnull key, size_t key_length,
                                                               size_t tag_length);

/// Zeroes the key schedule and frees the context.
void CCryptoBoringSSL_EVP_AEAD_CTX_free(mesh_aead_context *_Nonnull context);

/// Seals `in` to `out`, tag appended; `out` may be `in`. Returns 1 on success.
int CCryptoBoringSSL_EVP_AEAD_CTX_seal(const mesh_aead_context *_Nonnull context, uint8_t *_Nonnull out,
                                       size_t *_Nonnull out_length, size_t out_length_max,
                                       const uint8_t *_Nonnull nonce, size_t nonce_length, const uint8_t *_Nonnull in,
                                       size_t in_length, const uint8_t *_Nullable associated,
                                       size_t associated_length);

/// Opens `in` (ciphertext and tag) to `out`; `out` may be `in`. Returns 1 on success, 0 for a wrong tag.
int CCryptoBoringSSL_EVP_AEAD_CTX_open(const mesh_aead_context *_Nonnull context, uint8_t *_Nonnull out,
                                       size_t *_Nonnull out_length, size_t out_length_max,
                                       const uint8_t *_Nonnull nonce, size_t nonce_length, const uint8_t *_Nonnull in,
                                       size_t in_length, const uint8_t *_Nullable associated,
                                       size_t associated_length);
