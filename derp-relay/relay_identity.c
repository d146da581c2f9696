#include "derp-relay/relay_identity.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sodium.h>

#include "common/net/tls.h"
#include "common/statefile.h"

static int fail(char error[static RELAY_IDENTITY_ERROR_LEN], int err, const char *what,
		const char *why)
{
	snprintf(error, RELAY_IDENTITY_ERROR_LEN, "%.120s: %.180s", what, why);
	return err;
}

static void in_state_dir(const struct relay_settings *s, const char *name,
			 char out[static RELAY_PATH_LEN])
{
	snprintf(out, RELAY_PATH_LEN, "%s/%s", s->state_dir, name);
}

static int load_keys(const struct relay_settings *s, struct relay_identity *id,
		     char error[static RELAY_IDENTITY_ERROR_LEN])
{
	uint8_t random[KEY_LEN];
	char path[RELAY_PATH_LEN];
	int err = statefile_make_dir(s->state_dir);

	if (err < 0)
		return fail(error, err, s->state_dir, strerror(-err));
	in_state_dir(s, "relay.key", path);
	randombytes_buf(random, sizeof(random));
	err = relay_key_load(s->key_file ? s->key_file : path, random, &id->env.secret, error);
	sodium_memzero(random, sizeof(random));
	if (err < 0)
		return err;
	secret_key_public(&id->env.secret, &id->env.pub);
	if (s->mesh_key_file) {
		id->env.has_mesh_key = true;
		err = mesh_key_load(s->mesh_key_file, id->env.mesh_key, error);
	}
	if (err == 0 && s->admit_key_file)
		err = admit_secret_load(s->admit_key_file, id->secret, error);
	return err;
}

/* The address that this machine would send from to the internet; nothing is sent. */
static void guess_host(char out[static DERP_HOST_LEN])
{
	struct endpoint far = {.ip = ip_from_v4((const uint8_t[]){192, 0, 2, 1}), .port = 9}, own;
	struct sockaddr_storage addr;
	socklen_t len = endpoint_to_sockaddr(&far, &addr);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(out, DERP_HOST_LEN, "127.0.0.1");
	if (fd < 0)
		return;
	if (connect(fd, (struct sockaddr *)&addr, len) == 0) {
		len = sizeof(addr);
		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
		    endpoint_from_sockaddr((struct sockaddr *)&addr, &own) == 0)
			ip_str(&own.ip, out);
	}
	close(fd);
}

/* The file of the two that cannot be read, with errno; NULL where both can. */
static const char *unreadable(const struct relay_identity *id)
{
	if (access(id->cert_file, R_OK) < 0)
		return id->cert_file;
	return access(id->key_file, R_OK) < 0 ? id->key_file : NULL;
}

static int prepare_certificate(const struct relay_settings *s, struct relay_identity *id,
			       char error[static RELAY_IDENTITY_ERROR_LEN])
{
	char why[TLS_ERROR_LEN];
	const char *names[] = {id->host};

	if (relay_settings_tls(s) == RELAY_TLS_FILES) {
		snprintf(id->cert_file, RELAY_PATH_LEN, "%s", s->tls_cert);
		snprintf(id->key_file, RELAY_PATH_LEN, "%s", s->tls_key);
		const char *unread = unreadable(id);
		return unread ? fail(error, -errno, unread, strerror(errno)) : 0;
	}
	in_state_dir(s, "tls.crt", id->cert_file);
	in_state_dir(s, "tls.key", id->key_file);
	if (relay_settings_tls(s) == RELAY_TLS_OFF)
		return 0;
	int err = tls_self_signed_ensure(id->cert_file, id->key_file, names, 1, why);
	return err < 0 ? fail(error, err, "certificate", why) : 0;
}

int relay_identity_load(const struct relay_settings *settings, struct relay_identity *out,
			char error[static RELAY_IDENTITY_ERROR_LEN])
{
	*out = (struct relay_identity){
		.env.limits = limits_make(settings->rate_bytes, settings->burst_bytes)};
	if (settings->hostname)
		snprintf(out->host, sizeof(out->host), "%s", settings->hostname);
	else
		guess_host(out->host);
	in_state_dir(settings, "admitted.json", out->cache_file);
	int err = load_keys(settings, out, error);
	return err < 0 ? err : prepare_certificate(settings, out, error);
}

void relay_identity_wipe(struct relay_identity *id)
{
	sodium_memzero(id, sizeof(*id));
}
