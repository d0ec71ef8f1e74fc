#include "cluster/etcd/login.h"

#include <errno.h>
#include <stdio.h>

/* The engine takes its time to hash a password. */
#define LOGIN_MS 5000
#define PASSWORD_MAX 4096

int login_password(const char *path, char **ret, struct diag *diag)
{
	FILE *file = fopen(path, "re");
	char text[PASSWORD_MAX];

	if (!file)
		return diag_set(diag, -errno, "cannot read the password in %s: %s", path, strerror(errno));
	bool got = fgets(text, sizeof(text), file);
	fclose(file);
	text[got ? strcspn(text, "\n") : 0] = '\0';
	if (!*text)
		return diag_set(diag, -EINVAL, "there is no password in %s", path);
	*ret = strdup(text);
	explicit_bzero(text, sizeof(text));
	return *ret ? 0 : -ENOMEM;
}

static bool ask(struct etcd *e)
{
	struct buf body = {0};

	buf_add_str(&body, "{\"name\":");
	buf_add_json(&body, slice_of(e->user));
	buf_add_str(&body, ",\"password\":");
	buf_add_json(&body, slice_of(e->password));
	buf_add_char(&body, '}');
	return call_new(e, ANSWER_TOKEN, "/v3/auth/authenticate", &body, LOGIN_MS);
}

bool login_is_awaited(struct etcd *e, const struct etcd_call *c)
{
	if (!e->user || e->token || c->kind == ANSWER_TOKEN)
		return false;
	if (!e->authenticating)
		e->authenticating = ask(e);
	return true;
}

void login_ended(struct etcd *e, const struct answer *a)
{
	e->authenticating = false;
	if (a->said.result == ETCD_OK || a->no_users) {
		e->token = strdup(a->token ? a->token : "");
		e->n_tokens++;
		return;
	}
	calls_fail_waiting(e, a);
}

bool login_renews(struct etcd_call *c)
{
	struct etcd *e = c->e;

	if (!e->user || c->renewed)
		return false;
	c->renewed = true;
	if (c->token == e->n_tokens)
		free(take_ptr(e->token));
	return true;
}
