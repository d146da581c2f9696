#include <poll.h>
#include <pthread.h>
#include <stdbool.h>

#include "agent/tunnel/mailbox.h"
#include "tests/unit/test.h"

static bool is_readable(const struct mailbox *box)
{
	struct pollfd p = {.fd = box->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

TEST(many_posts_of_one_thing_are_one_mail_with_all_bits)
{
	struct mailbox box;
	struct mail mail = {0};

	CHECK_INT(mailbox_open(&box), 0);
	CHECK(!is_readable(&box));
	mailbox_post(&box, &mail, 1);
	mailbox_post(&box, &mail, 4);
	mailbox_post(&box, &mail, 1);
	CHECK(is_readable(&box));
	CHECK(mailbox_take(&box) == &mail && mail.next == NULL);
	CHECK_INT(mail_open(&mail), 5);
	CHECK(!is_readable(&box) && mailbox_take(&box) == NULL);
	mailbox_close(&box);
}

TEST(a_mail_can_be_posted_again_once_opened)
{
	struct mailbox box;
	struct mail a = {0}, b = {0};

	CHECK_INT(mailbox_open(&box), 0);
	mailbox_post(&box, &a, 1);
	mailbox_post(&box, &b, 2);
	struct mail *first = mailbox_take(&box);
	CHECK(first == &b && first->next == &a);
	CHECK_INT(mail_open(&b), 2);
	mailbox_post(&box, &b, 8);
	CHECK_INT(mail_open(&a), 1);
	CHECK(is_readable(&box));
	CHECK(mailbox_take(&box) == &b);
	CHECK_INT(mail_open(&b), 8);
	mailbox_close(&box);
}

/* ---- two threads: every count posted is seen ---- */

enum { THINGS = 16, ROUNDS = 50000 };

struct thing {
	struct mail mail; /* first */
	_Atomic unsigned wanted;
};

static struct thing things[THINGS];
static struct mailbox shared;

static void *post_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct thing *t = &things[i * 7 % THINGS];

		atomic_fetch_add(&t->wanted, 1);
		mailbox_post(&shared, &t->mail, 1);
	}
	return NULL;
}

TEST(no_post_is_lost_between_threads)
{
	unsigned seen[THINGS] = {0}, total = 0;
	pthread_t poster;

	CHECK_INT(mailbox_open(&shared), 0);
	CHECK_INT(pthread_create(&poster, NULL, post_all, NULL), 0);
	while (total < ROUNDS) {
		struct pollfd p = {.fd = shared.fd, .events = POLLIN};
		struct mail *next;

		CHECK_INT(poll(&p, 1, 10000), 1); /* a lost wake would end here */
		for (struct mail *m = mailbox_take(&shared); m; m = next) {
			struct thing *t = (struct thing *)(void *)m;

			next = m->next;
			CHECK_INT(mail_open(m), 1);
			unsigned wanted = atomic_load(&t->wanted);
			total += wanted - seen[t - things];
			seen[t - things] = wanted;
		}
	}
	pthread_join(poster, NULL);
	CHECK_INT(total, ROUNDS);
	mailbox_close(&shared);
}
