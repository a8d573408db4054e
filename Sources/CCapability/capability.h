/* libcap as Swift sees it. */
#include <sys/capability.h>
