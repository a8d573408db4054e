/*
 * OpenSSL as Swift sees it: its headers, and a function for each macro, since Swift sees only what
 * has a type. Static inline shims and constants only.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

/* Options, which are defined through a macro function. */
static const uint64_t openssl_no_sslv3 = SSL_OP_NO_SSLv3;
static const uint64_t openssl_no_tls1 = SSL_OP_NO_TLSv1;
static const uint64_t openssl_no_tls1_1 = SSL_OP_NO_TLSv1_1;
static const uint64_t openssl_no_tls1_2 = SSL_OP_NO_TLSv1_2;
static const uint64_t openssl_no_tls1_3 = SSL_OP_NO_TLSv1_3;
static const uint64_t openssl_no_compression = SSL_OP_NO_COMPRESSION;
static const uint64_t openssl_cleanse_plaintext = SSL_OP_CLEANSE_PLAINTEXT;
static const uint64_t openssl_no_renegotiation = SSL_OP_NO_RENEGOTIATION;
static const uint64_t openssl_no_ticket = SSL_OP_NO_TICKET;
static const uint64_t openssl_server_preference = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t openssl_ignore_unexpected_eof = SSL_OP_IGNORE_UNEXPECTED_EOF;
static const unsigned long openssl_print_rfc2253 = XN_FLAG_RFC2253;

/* Contexts. */
static inline long openssl_set_mode(SSL_CTX *context, long mode) { return SSL_CTX_set_mode(context, mode); }
static inline int openssl_set_versions(SSL_CTX *context, int least, int greatest) {
    return SSL_CTX_set_min_proto_version(context, least) && SSL_CTX_set_max_proto_version(context, greatest);
}
static inline void openssl_set_read_ahead(SSL_CTX *context) { SSL_CTX_set_read_ahead(context, 1); }
static inline int openssl_set_curves(SSL_CTX *context, const char *list) {
    return (int)SSL_CTX_set1_curves_list(context, list);
}
static inline int openssl_set_dh(SSL_CTX *context, DH *parameters) {
    return (int)SSL_CTX_set_tmp_dh(context, parameters);
}
static inline void openssl_set_session_cache(SSL_CTX *context, long mode) {
    (void)SSL_CTX_set_session_cache_mode(context, mode);
}
static inline void openssl_set_session_cache_size(SSL_CTX *context, long count) {
    (void)SSL_CTX_sess_set_cache_size(context, count);
}
static inline X509_NAME *openssl_client_authority(const SSL_CTX *context, int index) {
    return sk_X509_NAME_value(SSL_CTX_get_client_CA_list(context), index);
}
static inline int openssl_set_chain(SSL_CTX *context, STACK_OF(X509) *chain) {
    return (int)SSL_CTX_set1_chain(context, chain);
}

/*
 * Has certificates sent in compressed form, or not. Libraries that can do it would otherwise do so
 * unasked. Returns 0 where the library cannot.
 */
static inline int openssl_compress_certificates(SSL_CTX *context, int enables) {
#ifdef SSL_OP_NO_TX_CERTIFICATE_COMPRESSION
    if (enables) return SSL_CTX_compress_certs(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
    return 1;
#else
    (void)context;
    return !enables;
#endif
}

/* The owner that a context leads back to. */
static inline void openssl_set_context_owner(SSL_CTX *context, void *owner) { SSL_CTX_set_app_data(context, owner); }
static inline void *openssl_context_owner(const SSL_CTX *context) { return SSL_CTX_get_app_data(context); }

/* The owner that a connection leads back to. */
static inline void openssl_set_connection_owner(SSL *connection, void *owner) { SSL_set_app_data(connection, owner); }
static inline void *openssl_connection_owner(const SSL *connection) { return SSL_get_app_data(connection); }
/* Tells what takes the connection's messages whose they are. */
static inline void openssl_set_message_owner(SSL *connection, void *owner) {
    (void)SSL_set_msg_callback_arg(connection, owner);
}
static inline int openssl_set_server_name(SSL *connection, const char *name) {
    return (int)SSL_set_tlsext_host_name(connection, name);
}

/* Buffers in memory. */
static inline void openssl_free(void *memory) { OPENSSL_free(memory); }
static inline long openssl_memory(BIO *bio, char **start) { return BIO_get_mem_data(bio, start); }
static inline void openssl_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }

/* Lists. */
static inline STACK_OF(X509) *openssl_new_chain(void) { return sk_X509_new_null(); }
static inline int openssl_append(STACK_OF(X509) *chain, X509 *certificate) { return sk_X509_push(chain, certificate); }
static inline int openssl_chain_count(const STACK_OF(X509) *chain) { return sk_X509_num(chain); }
static inline X509 *openssl_chain_element(const STACK_OF(X509) *chain, int index) { return sk_X509_value(chain, index); }
static inline void openssl_free_chain(STACK_OF(X509) *chain) { sk_X509_pop_free(chain, X509_free); }

/* Session tickets. */
static inline int openssl_set_ticket_mac(EVP_MAC_CTX *mac, const unsigned char *key, size_t length) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key, length),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, parameters);
}

/* Errors. */
static inline int openssl_error_library(unsigned long error) { return ERR_GET_LIB(error); }
static inline int openssl_error_reason(unsigned long error) { return ERR_GET_REASON(error); }
static inline int openssl_error_is_fatal(unsigned long error) { return ERR_FATAL_ERROR(error); }
