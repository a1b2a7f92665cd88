// One AES-256 key in a security module (PKCS#11 v2.40), used to seal and open a few dozen bytes.
//
// Each call is a session of its own (open, log in, work, close), so that it also proves that the module is there.
#ifndef C_WARD_TOKEN_H
#define C_WARD_TOKEN_H

#include <stddef.h>
#include <stdint.h>

typedef enum {
    WARD_TOKEN_OK = 0,
    /// The library cannot be loaded or does not start.
    WARD_TOKEN_NO_MODULE = 1,
    /// No initialised token has this label.
    WARD_TOKEN_MISSING = 2,
    WARD_TOKEN_WRONG_PIN = 3,
    /// Too many wrong PINs; the module lets nobody in before its officer resets it.
    WARD_TOKEN_LOCKED_PIN = 4,
    /// The token has no such key.
    WARD_TOKEN_NO_KEY = 5,
    /// There is a key of this name already.
    WARD_TOKEN_KEY_EXISTS = 6,
    /// The module would let the key out, or would take it for other work.
    WARD_TOKEN_SOFT_KEY = 7,
    /// Altered, bound to something else, or the module failed: modules do not tell these apart.
    WARD_TOKEN_REFUSED = 8,
} ward_token_status;

typedef struct {
    /// Path of the module's library.
    const char *library;
    const char *token;
    const char *key;
    const uint8_t *pin;
    size_t pin_length;
} ward_token_place;

/// Makes an AES-256 key that never leaves the module (CKA_SENSITIVE, not CKA_EXTRACTABLE).
ward_token_status ward_token_make_key(const ward_token_place *place);

/// Destroys the key.
ward_token_status ward_token_destroy_key(const ward_token_place *place);

/// AES-256-GCM with a nonce of 12 bytes; `output` has room for `length` + 16.
ward_token_status ward_token_seal(
    const ward_token_place *place, const uint8_t *nonce, const uint8_t *context, size_t context_length,
    const uint8_t *input, size_t length, uint8_t *output);

/// The reverse; `output` has room for `length` - 16.
ward_token_status ward_token_open(
    const ward_token_place *place, const uint8_t *nonce, const uint8_t *context, size_t context_length,
    const uint8_t *input, size_t length, uint8_t *output);

#endif
