/*
 * names: what a static program has in place of the C library's name services.
 *
 * glibc answers these calls by modules that it loads at run time (nsswitch.conf), which a static
 * program cannot rely on: the machine it lands on has another C library or none. Hosts are
 * common/net/resolve.h's business (c-ares) and we name no service; the calls remain in libraries,
 * on ways that we never take. Users come from /etc/passwd alone. Linked by `make static` only, in
 * front of the C library; the headers are its own.
 */
#include <errno.h>
#include <netdb.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

/* For --operator. The result is good until the next call, as the library has it. */
struct passwd *getpwnam(const char *name)
{
	FILE *file = fopen("/etc/passwd", "re");
	struct passwd *found;

	if (!file)
		return NULL;
	do
		found = fgetpwent(file);
	while (found && strcmp(found->pw_name, name) != 0);
	fclose(file);
	return found;
}

int getaddrinfo(const char *restrict name, const char *restrict service,
		const struct addrinfo *restrict hints, struct addrinfo **restrict out)
{
	(void)name, (void)service, (void)hints;
	*out = NULL;
	return EAI_FAIL;
}

void freeaddrinfo(struct addrinfo *list)
{
	(void)list; /* there never is one */
}

int getnameinfo(const struct sockaddr *restrict address, socklen_t address_len, char *restrict host,
		socklen_t host_len, char *restrict service, socklen_t service_len, int flags)
{
	(void)address, (void)address_len, (void)host, (void)host_len;
	(void)service, (void)service_len, (void)flags;
	return EAI_FAIL;
}

struct hostent *gethostbyname(const char *name)
{
	(void)name;
	h_errno = NO_RECOVERY;
	return NULL;
}

struct servent *getservbyname(const char *name, const char *protocol)
{
	(void)name, (void)protocol;
	return NULL;
}

int getservbyport_r(int port, const char *restrict protocol, struct servent *restrict buffer,
		    char *restrict text, size_t len, struct servent **restrict out)
{
	(void)port, (void)protocol, (void)buffer, (void)text, (void)len;
	*out = NULL;
	return ENOENT;
}

struct protoent *getprotobyname(const char *name)
{
	(void)name;
	return NULL;
}

struct protoent *getprotobynumber(int number)
{
	(void)number;
	return NULL;
}
