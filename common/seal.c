/* SPDX-License-Identifier: ISC */
#include "common/seal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

#include "common/log.h"

enum { KEY_SIZE = 32 };

struct seal {
	EVP_MAC_CTX *keyed;
};

struct seal *
seal_new(struct str key)
{
	char digest[] = "SHA256";
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string("digest", digest, 0), OSSL_PARAM_construct_end() };
	struct seal *s = calloc(1, sizeof(*s));
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);

	if (s == NULL || mac == NULL || key.len != KEY_SIZE || (s->keyed = EVP_MAC_CTX_new(mac)) == NULL ||
	    EVP_MAC_init(s->keyed, (const unsigned char *)key.ptr, key.len, params) != 1)
		fatal("cannot make ready to seal");
	EVP_MAC_free(mac);
	return s;
}

void
seal_free(struct seal *s)
{
	if (s == NULL)
		return;
	EVP_MAC_CTX_free(s->keyed);
	free(s);
}

/* The MAC covers the name of the type, which stays the same when the table of messages grows. */
static bool
compute(struct seal *s, enum proto_type type, struct str payload, unsigned char mac[SEAL_MAC_SIZE])
{
	struct str name = str_of(proto_type_name(type));
	size_t len = 0;

	return EVP_MAC_init(s->keyed, NULL, 0, NULL) == 1 &&
	    EVP_MAC_update(s->keyed, (const unsigned char *)name.ptr, name.len + 1) == 1 &&
	    EVP_MAC_update(s->keyed, (const unsigned char *)payload.ptr, payload.len) == 1 &&
	    EVP_MAC_final(s->keyed, mac, &len, SEAL_MAC_SIZE) == 1 && len == SEAL_MAC_SIZE;
}

bool
seal_make(struct seal *s, enum proto_type type, const void *msg, struct buf *out)
{
	size_t before = out->len;
	unsigned char mac[SEAL_MAC_SIZE];

	if (!proto_encode(type, msg, out))
		return false;
	if (!compute(s, type, (struct str){ out->data + out->head + before, out->len - before }, mac))
		fatal("cannot compute a MAC");
	if (buf_append(out, mac, sizeof(mac)))
		return true;
	buf_truncate(out, before);
	return false;
}

bool
seal_open(struct seal *s, enum proto_type type, struct str sealed, void *msg)
{
	unsigned char mac[SEAL_MAC_SIZE];
	struct str payload = sealed;

	if (sealed.len < SEAL_MAC_SIZE)
		return false;
	payload.len -= SEAL_MAC_SIZE;
	if (!compute(s, type, payload, mac))
		fatal("cannot compute a MAC");
	return CRYPTO_memcmp(mac, payload.ptr + payload.len, SEAL_MAC_SIZE) == 0 && proto_decode(type, payload, msg);
}
