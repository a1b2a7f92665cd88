#define _GNU_SOURCE
#include "ward_token.h"

#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *loaded_path;
static CK_FUNCTION_LIST_PTR loaded;
// A module whose device went away may not see it come back before it is started anew.
static bool is_stale;

static CK_RV start(CK_FUNCTION_LIST_PTR module) {
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};
    CK_RV result = module->C_Initialize(&arguments);
    return result == CKR_CRYPTOKI_ALREADY_INITIALIZED ? CKR_OK : result;
}

// A module stays loaded: unloading one that has threads of its own ends the process. One library for a process.
static CK_FUNCTION_LIST_PTR load(const char *path) {
    if (loaded != NULL) {
        if (strcmp(loaded_path, path) != 0) return NULL;
        if (is_stale) {
            loaded->C_Finalize(NULL);
            if (start(loaded) != CKR_OK) return NULL;
            is_stale = false;
        }
        return loaded;
    }
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) return NULL;
    CK_C_GetFunctionList list = (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
    CK_FUNCTION_LIST_PTR functions = NULL;
    if (list == NULL || list(&functions) != CKR_OK || functions == NULL) return NULL;
    if (start(functions) != CKR_OK) return NULL;
    loaded_path = strdup(path);
    if (loaded_path == NULL) return NULL;
    loaded = functions;
    return functions;
}

// Labels of tokens are padded with blanks.
static bool is_label(const unsigned char *padded, const char *label) {
    size_t length = strlen(label);
    if (length == 0 || length > 32 || memcmp(padded, label, length) != 0) return false;
    for (size_t place = length; place < 32; place++)
        if (padded[place] != ' ') return false;
    return true;
}

static ward_token_status find_slot(CK_FUNCTION_LIST_PTR module, const char *label, CK_SLOT_ID *found) {
    CK_SLOT_ID slots[64];
    CK_ULONG count = 64;
    if (module->C_GetSlotList(CK_TRUE, slots, &count) != CKR_OK) return WARD_TOKEN_MISSING;
    for (CK_ULONG place = 0; place < count; place++) {
        CK_TOKEN_INFO info;
        if (module->C_GetTokenInfo(slots[place], &info) != CKR_OK || !(info.flags & CKF_TOKEN_INITIALIZED)) continue;
        if (!is_label(info.label, label)) continue;
        *found = slots[place];
        return WARD_TOKEN_OK;
    }
    return WARD_TOKEN_MISSING;
}

static ward_token_status begin(
    const ward_token_place *place, CK_FUNCTION_LIST_PTR *module, CK_SESSION_HANDLE *session) {
    *module = load(place->library);
    if (*module == NULL) return WARD_TOKEN_NO_MODULE;
    CK_SLOT_ID slot;
    ward_token_status status = find_slot(*module, place->token, &slot);
    if (status != WARD_TOKEN_OK) {
        is_stale = true;
        return status;
    }
    if ((*module)->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL, NULL, session) != CKR_OK) {
        is_stale = true;
        return WARD_TOKEN_MISSING;
    }
    CK_RV result = (*module)->C_Login(*session, CKU_USER, (unsigned char *)place->pin, place->pin_length);
    if (result == CKR_OK || result == CKR_USER_ALREADY_LOGGED_IN) return WARD_TOKEN_OK;
    (*module)->C_CloseSession(*session);
    switch (result) {
        case CKR_PIN_INCORRECT: case CKR_PIN_LEN_RANGE: case CKR_PIN_INVALID: return WARD_TOKEN_WRONG_PIN;
        case CKR_PIN_LOCKED: case CKR_PIN_EXPIRED: return WARD_TOKEN_LOCKED_PIN;
        default:
            is_stale = true;
            return WARD_TOKEN_MISSING;
    }
}

static void end(CK_FUNCTION_LIST_PTR module, CK_SESSION_HANDLE session) {
    module->C_Logout(session);
    module->C_CloseSession(session);
}

static ward_token_status find_key(
    CK_FUNCTION_LIST_PTR module, CK_SESSION_HANDLE session, const char *label, CK_OBJECT_HANDLE *found) {
    CK_OBJECT_CLASS kind = CKO_SECRET_KEY;
    CK_KEY_TYPE type = CKK_AES;
    CK_ATTRIBUTE wanted[] = {
        {CKA_CLASS, &kind, sizeof kind}, {CKA_KEY_TYPE, &type, sizeof type}, {CKA_LABEL, (void *)label, strlen(label)}};
    CK_OBJECT_HANDLE keys[2];
    CK_ULONG count = 0;
    if (module->C_FindObjectsInit(session, wanted, 3) != CKR_OK) return WARD_TOKEN_MISSING;
    CK_RV result = module->C_FindObjects(session, keys, 2, &count);
    module->C_FindObjectsFinal(session);
    // Two of one name: which of them it was nobody can say.
    if (result != CKR_OK || count != 1) {
        is_stale = true;
        return WARD_TOKEN_NO_KEY;
    }
    *found = keys[0];
    return WARD_TOKEN_OK;
}

// A key that could be read out or taken along is no better than a file.
static bool stays_inside(CK_FUNCTION_LIST_PTR module, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key) {
    CK_BBOOL sensitive = CK_FALSE, extractable = CK_TRUE;
    CK_ULONG length = 0;
    CK_ATTRIBUTE asked[] = {
        {CKA_SENSITIVE, &sensitive, sizeof sensitive}, {CKA_EXTRACTABLE, &extractable, sizeof extractable},
        {CKA_VALUE_LEN, &length, sizeof length}};
    if (module->C_GetAttributeValue(session, key, asked, 3) != CKR_OK) return false;
    return sensitive == CK_TRUE && extractable == CK_FALSE && length == 32;
}

ward_token_status ward_token_make_key(const ward_token_place *place) {
    pthread_mutex_lock(&lock);
    CK_FUNCTION_LIST_PTR module;
    CK_SESSION_HANDLE session;
    ward_token_status status = begin(place, &module, &session);
    if (status == WARD_TOKEN_OK) {
        CK_OBJECT_HANDLE key;
        if (find_key(module, session, place->key, &key) == WARD_TOKEN_OK) {
            status = WARD_TOKEN_KEY_EXISTS;
        } else {
            CK_MECHANISM mechanism = {CKM_AES_KEY_GEN, NULL, 0};
            CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
            CK_ULONG length = 32;
            CK_ATTRIBUTE wanted[] = {
                {CKA_LABEL, (void *)place->key, strlen(place->key)}, {CKA_TOKEN, &yes, sizeof yes},
                {CKA_PRIVATE, &yes, sizeof yes}, {CKA_SENSITIVE, &yes, sizeof yes},
                {CKA_EXTRACTABLE, &no, sizeof no}, {CKA_ENCRYPT, &yes, sizeof yes}, {CKA_DECRYPT, &yes, sizeof yes},
                {CKA_WRAP, &no, sizeof no}, {CKA_UNWRAP, &no, sizeof no}, {CKA_VALUE_LEN, &length, sizeof length}};
            CK_ULONG count = sizeof wanted / sizeof wanted[0];
            if (module->C_GenerateKey(session, &mechanism, wanted, count, &key) != CKR_OK) {
                status = WARD_TOKEN_REFUSED;
            } else if (!stays_inside(module, session, key)) {
                module->C_DestroyObject(session, key);
                status = WARD_TOKEN_SOFT_KEY;
            }
        }
        end(module, session);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

ward_token_status ward_token_destroy_key(const ward_token_place *place) {
    pthread_mutex_lock(&lock);
    CK_FUNCTION_LIST_PTR module;
    CK_SESSION_HANDLE session;
    ward_token_status status = begin(place, &module, &session);
    if (status == WARD_TOKEN_OK) {
        CK_OBJECT_HANDLE key;
        status = find_key(module, session, place->key, &key);
        if (status == WARD_TOKEN_OK && module->C_DestroyObject(session, key) != CKR_OK) status = WARD_TOKEN_REFUSED;
        end(module, session);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

static ward_token_status work(
    const ward_token_place *place, bool seals, const uint8_t *nonce, const uint8_t *context, size_t context_length,
    const uint8_t *input, size_t length, uint8_t *output) {
    pthread_mutex_lock(&lock);
    CK_FUNCTION_LIST_PTR module;
    CK_SESSION_HANDLE session;
    ward_token_status status = begin(place, &module, &session);
    if (status == WARD_TOKEN_OK) {
        CK_OBJECT_HANDLE key;
        status = find_key(module, session, place->key, &key);
        if (status == WARD_TOKEN_OK && !stays_inside(module, session, key)) status = WARD_TOKEN_SOFT_KEY;
        if (status == WARD_TOKEN_OK) {
            CK_GCM_PARAMS parameters = {
                .pIv = (unsigned char *)nonce, .ulIvLen = 12, .ulIvBits = 96, .pAAD = (unsigned char *)context,
                .ulAADLen = context_length, .ulTagBits = 128};
            CK_MECHANISM mechanism = {CKM_AES_GCM, &parameters, sizeof parameters};
            CK_ULONG expected = seals ? length + 16 : length - 16, room = length + 16;
            // Modules want room for the whole input where they open, too.
            unsigned char *result_bytes = malloc(room);
            CK_RV result = result_bytes == NULL ? CKR_HOST_MEMORY
                : seals ? module->C_EncryptInit(session, &mechanism, key)
                        : module->C_DecryptInit(session, &mechanism, key);
            CK_ULONG written = room;
            if (result == CKR_OK)
                result = seals ? module->C_Encrypt(session, (unsigned char *)input, length, result_bytes, &written)
                               : module->C_Decrypt(session, (unsigned char *)input, length, result_bytes, &written);
            // Which error means "altered" differs from module to module.
            if (result != CKR_OK || written != expected) status = WARD_TOKEN_REFUSED;
            else memcpy(output, result_bytes, expected);
            if (result_bytes != NULL) {
                explicit_bzero(result_bytes, room);
                free(result_bytes);
            }
        }
        end(module, session);
    }
    pthread_mutex_unlock(&lock);
    return status;
}

ward_token_status ward_token_seal(
    const ward_token_place *place, const uint8_t *nonce, const uint8_t *context, size_t context_length,
    const uint8_t *input, size_t length, uint8_t *output) {
    return work(place, true, nonce, context, context_length, input, length, output);
}

ward_token_status ward_token_open(
    const ward_token_place *place, const uint8_t *nonce, const uint8_t *context, size_t context_length,
    const uint8_t *input, size_t length, uint8_t *output) {
    if (length < 16) return WARD_TOKEN_REFUSED;
    return work(place, false, nonce, context, context_length, input, length, output);
}
