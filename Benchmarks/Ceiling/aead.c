// ChaCha20-Poly1305 and AES-256-GCM of several libraries, sealed in place with 16 bytes of header, as records are: the best of
// some rounds for each size, and in runs of 32 records one after another in a slab. Nanoseconds per record.
//
//     gcc -O2 aead.c boringssl-objects -lcrypto -lsodium
#include <openssl/evp.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct evp_aead_st aead;
typedef struct evp_aead_ctx_st aead_context;
const aead *CCryptoBoringSSL_EVP_aead_chacha20_poly1305(void);
const aead *CCryptoBoringSSL_EVP_aead_aes_256_gcm(void);
aead_context *CCryptoBoringSSL_EVP_AEAD_CTX_new(const aead *, const uint8_t *, size_t, size_t);
int CCryptoBoringSSL_EVP_AEAD_CTX_seal(
    const aead_context *, uint8_t *, size_t *, size_t, const uint8_t *, size_t, const uint8_t *, size_t, const uint8_t *,
    size_t);

enum { HEADER = 16, TAG = 16, SLOT = 1536, RUN = 32, RECORDS = 16000, ROUNDS = 9 };

static uint8_t slab[RUN * SLOT], key[32] = {1}, nonce[12];
static aead_context *boring;
static EVP_CIPHER_CTX *evp;

static void seal_boring(uint8_t *record, size_t count) {
    size_t out;
    CCryptoBoringSSL_EVP_AEAD_CTX_seal(
        boring, record + HEADER, &out, count + TAG, nonce, 12, record + HEADER, count, record, HEADER);
}

static void seal_evp(uint8_t *record, size_t count) {
    int out;
    EVP_EncryptInit_ex(evp, NULL, NULL, NULL, nonce);
    EVP_EncryptUpdate(evp, NULL, &out, record, HEADER);
    EVP_EncryptUpdate(evp, record + HEADER, &out, record + HEADER, (int)count);
    EVP_EncryptFinal_ex(evp, record + HEADER + count, &out);
    EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TAG, record + HEADER + count);
}

static void seal_sodium(uint8_t *record, size_t count) {
    unsigned long long out;
    crypto_aead_chacha20poly1305_ietf_encrypt(
        record + HEADER, &out, record + HEADER, count, record, HEADER, NULL, nonce, key);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static double best(void (*seal)(uint8_t *, size_t), size_t count, int in_runs) {
    double result = 1;
    for (int round = 0; round < ROUNDS; round++) {
        double start = seconds();
        for (uint64_t number = 0; number < RECORDS; number++) {
            memcpy(nonce + 4, &number, 8);
            seal(slab + (in_runs ? number % RUN : 0) * SLOT, count);
        }
        double took = (seconds() - start) / RECORDS;
        if (took < result) result = took;
    }
    return result * 1e9;
}

static void show(const char *name, void (*seal)(uint8_t *, size_t)) {
    printf("| %s | %.0f | %.0f | %.0f | %.0f |\n", name, best(seal, 64, 0), best(seal, 256, 0), best(seal, 1400, 0),
           best(seal, 1400, 1));
}

int main(void) {
    if (sodium_init() < 0) return 1;
    printf("| ns per record | 64 | 256 | 1,400 | 1,400 in runs of 32 |\n|---|---|---|---|---|\n");
    boring = CCryptoBoringSSL_EVP_AEAD_CTX_new(CCryptoBoringSSL_EVP_aead_chacha20_poly1305(), key, 32, TAG);
    show("BoringSSL ChaCha20-Poly1305", seal_boring);
    evp = EVP_CIPHER_CTX_new();
    EVP_EncryptInit_ex(evp, EVP_chacha20_poly1305(), NULL, key, NULL);
    show("OpenSSL EVP ChaCha20-Poly1305", seal_evp);
    show("libsodium ChaCha20-Poly1305", seal_sodium);
    boring = CCryptoBoringSSL_EVP_AEAD_CTX_new(CCryptoBoringSSL_EVP_aead_aes_256_gcm(), key, 32, TAG);
    show("BoringSSL AES-256-GCM", seal_boring);
    EVP_EncryptInit_ex(evp, EVP_aes_256_gcm(), NULL, key, NULL);
    show("OpenSSL EVP AES-256-GCM", seal_evp);
    return 0;
}
