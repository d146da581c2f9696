/*
 * loader: a static program loads no code.
 *
 * OpenSSL asks for engines and providers where openssl.cnf or OPENSSL_CONF names some. A static
 * program that loads one gets the machine's libcrypto and C library beside its own, if they fit at
 * all; here each such call fails, OpenSSL goes on with what is built in, and the rest of that file
 * (say, the least version of TLS) holds. `make static` links this with --wrap, which makes a
 * library's dlopen() a __wrap_dlopen(): the names are the linker's.
 */
#include <dlfcn.h>
#include <stddef.h>

void *__wrap_dlopen(const char *file, int mode);
void *__wrap_dlsym(void *handle, const char *name);
int __wrap_dlclose(void *handle);
char *__wrap_dlerror(void);
int __wrap_dladdr(const void *address, Dl_info *info);

void *__wrap_dlopen(const char *file, int mode)
{
	(void)file, (void)mode;
	return NULL;
}

void *__wrap_dlsym(void *handle, const char *name)
{
	(void)handle, (void)name;
	return NULL;
}

int __wrap_dlclose(void *handle)
{
	(void)handle;
	return -1;
}

char *__wrap_dlerror(void)
{
	static char text[] = "a static program loads no code";

	return text;
}

int __wrap_dladdr(const void *address, Dl_info *info)
{
	(void)address, (void)info;
	return 0;
}
