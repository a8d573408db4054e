/* OpenSSL as Swift sees it. */
#include <openssl/crypto.h>
