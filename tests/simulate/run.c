/* SPDX-License-Identifier: ISC */
#include "tests/simulate/run.h"

#include "tests/unit/unit.h"

#include <stdio.h>
#include <stdlib.h>

/* Outside of its tests cmocka keeps the words to itself. */
#undef fail_msg
#undef assert_true
#undef assert_non_null
#undef assert_int_equal
#define fail_msg(...)                               \
	do {                                        \
		(void)fprintf(stderr, __VA_ARGS__); \
		exit(1);                            \
	} while (0)
#define assert_true(c)         (void)((c) || (complain(__FILE__, __LINE__, #c), 0))
#define assert_non_null(p)     assert_true((p) != NULL)
#define assert_int_equal(a, b) assert_true((a) == (b))

static _Noreturn void
complain(const char *file, int line, const char *what)
{
	fail_msg("%s:%d: not %s\n", file, line, what);
}

#include "queue/bounce.h"
#include "queue/limits.h"
#include "tests/simulate/model.h"
#include "tests/simulate/strands.h"
#include "tests/unit/queue/world.h"

enum {
	LETTERS = 24,        /* of a run, about */
	ENTRIES = 2500,      /* of the tape after which a run is over */
	FIRST_BYTES = 60000, /* of a body that go without credit */
	TASKS_MAX = 2048,
	RECENT = 5,                /* of the letters acknowledged last one is removed */
	NEAR = MODEL_DESTINATIONS, /* where reports go */
	HOSTS = MODEL_DESTINATIONS + 1
};

#define RUN_US ((int64_t)6 * 3600 * 1000000)

/* How servers of a destination behave at the time. */
enum mood { MOOD_ACCEPTS, MOOD_DEFERS, MOOD_REFUSES, MOOD_MIXED, MOOD_STALLS, MOOD_DOWN, MOOD_COUNT };

/* A process that is played: what it has heard is looked at after each turn. */
struct player {
	struct end *end; /* NULL: it is dead at the time */
	size_t heard;
	void (*hears)(struct heard *h);
};

/* A job of relay. */
struct task {
	uint64_t id, message, size, got;
	unsigned life; /* of the relay that has it */
	unsigned host;
	size_t count, wanted;
	uint64_t numbers[QUEUE_JOB_RCPTS_MAX];
	bool pulls, cancelled, answered;
};

/* A letter that is being sent. */
struct stream {
	uint64_t id;
	uint32_t letter, rcpts;
	size_t size, sent, credit;
	bool gives_up;
	struct stream *next;
};

static struct {
	const struct run *plan;
	struct tape *tape;
	struct player smtpd, relay, router, control;
	uint64_t next_id, ids_left;
	uint32_t letter;
	enum mood moods[HOSTS];
	unsigned relay_life, router_life;
	struct task tasks[TASKS_MAX];
	size_t tasks_count;
	struct stream *streams;
	uint64_t told[4096]; /* ids */
	size_t told_count;
	uint64_t removing; /* by the request of that id */
	uint64_t last_request;
} run;

/* --- the tape --- */

static void
note(const struct tape_entry *entry)
{
	(void)tape_add(run.tape, entry, NULL);
}

#define NOTE(...) note(&(struct tape_entry){ __VA_ARGS__ })

bool __real_bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit);
bool __wrap_bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit);

/* What reports say is known as they are made: none of them is on disk before. */
bool
__wrap_bounce_compose(const struct bounce *b, struct buf *out, bool *eightbit)
{
	uint32_t letter, rcpt;
	size_t i;

	for (i = 0; i < b->count; i++)
		if (model_parse_address(b->rcpts[i].forward_path.ptr, b->rcpts[i].forward_path.len, &letter, &rcpt))
			NOTE(.kind = TAPE_REPORT, .id = b->id, .letter = letter, .rcpt = (uint8_t)rcpt,
			    .number = b->rcpts[i].action);
	return __real_bounce_compose(b, out, eightbit);
}

/* --- mutants and seams of the link --- */

struct journal *__real_journal_open(int dir_fd, const char *dir, uint64_t store, uint64_t half, struct error *err);
struct journal *__wrap_journal_open(int dir_fd, const char *dir, uint64_t store, uint64_t half, struct error *err);

/* A journal that is soon full, so that its halves are used in turn. */
struct journal *
__wrap_journal_open(int dir_fd, const char *dir, uint64_t store, uint64_t half, struct error *err)
{
	(void)half;
	return __real_journal_open(dir_fd, dir, store, 48 * 1024, err);
}

void __real_store_put_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record);
void __wrap_store_put_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record);

/*
 * The mutant: a report is committed, and what it tells of comes in the next transaction. (A store has one transaction that
 * writes, and uses its struct again.)
 */
void
__wrap_store_put_recipient(
    struct store_txn *txn, uint64_t message, uint32_t number, const struct record_recipient *record)
{
	enum store_failure failure;
	struct error err;

	__real_store_put_recipient(txn, message, number, record);
	if (run.plan == NULL || !run.plan->report_apart || record->kind != RECIPIENT_UNROUTED || record->tries > 0)
		return;
	if (!store_commit(txn, &failure, &err) || store_begin(core.store, &err) != txn)
		fail_msg("the mutant: %s", err.text);
}

/* --- later --- */

struct later {
	struct loop_timer timer;
	void (*fn)(uintptr_t arg);
	uintptr_t arg;
};

static void
come_true(void *arg)
{
	struct later *l = arg;

	l->fn(l->arg);
	free(l);
}

static void
after_ms(int64_t ms, void (*fn)(uintptr_t arg), uintptr_t arg)
{
	struct later *l = calloc(1, sizeof(*l));

	assert_non_null(l);
	l->fn = fn;
	l->arg = arg;
	loop_timer_init(&l->timer, come_true, l);
	loop_timer_start(&l->timer, ms);
}

/* Short most of the time, and now and then very long. */
static int64_t
some_ms(uint32_t usual)
{
	return strands_below(8) == 0 ? strands_below(usual * 20) : strands_below(usual);
}

static bool
one_in(uint32_t n)
{
	return strands_below(n) == 0;
}

/* The queue finds its channel closed. */
static void
die(struct end *end)
{
	channel_free(end->channel);
	end->channel = NULL;
}

/* --- smtpd --- */

static void
send_tickets(struct stream *s, const char *reverse_path, unsigned notify)
{
	char address[64], destination[64];
	struct msg_ticket ticket;
	struct buf sealed;
	uint32_t i;

	for (i = 0; i < s->rcpts; i++) {
		model_address(address, s->letter, i);
		(void)snprintf(destination, sizeof(destination), "out/d%u.example", model_destination(s->letter, i));
		ticket = ticket_for(s->id, i, destination);
		ticket.reverse_path = str_of(reverse_path);
		ticket.forward_path = ticket.recipient = str_of(address);
		ticket.ttl_s = 600 + strands_below(4 * 3600);
		buf_init(&sealed, PROTO_TICKET_MAX);
		assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, &ticket, &sealed));
		SEND(run.smtpd.end->channel, RCPT, rcpt, s->id, .ticket = buf_str(&sealed), .notify = notify);
		buf_clear(&sealed);
	}
}

static void
send_body(struct stream *s)
{
	static char chunk[16000];
	size_t n;

	memset(chunk, 'x', sizeof(chunk));
	while (s->sent < s->size && s->credit > 0) {
		n = s->size - s->sent < sizeof(chunk) ? s->size - s->sent : sizeof(chunk);
		if (n > s->credit)
			n = s->credit;
		SEND(run.smtpd.end->channel, BODY, body, s->id, .bytes = { chunk, n });
		s->sent += n;
		s->credit -= n;
	}
}

static void
forget_stream(struct stream *s)
{
	struct stream **at;

	for (at = &run.streams; *at != s; at = &(*at)->next)
		continue;
	*at = s->next;
	free(s);
}

static struct stream *
stream_of(uint64_t id)
{
	struct stream *s;

	for (s = run.streams; s != NULL && s->id != id; s = s->next)
		continue;
	return s;
}

static size_t
some_size(void)
{
	switch (strands_below(16)) {
	case 0: return 60000 + strands_below(60000);
	case 1: return 4000 + strands_below(40000);
	case 2: return 0;
	default: return 1 + strands_below(3000);
	}
}

static void
finish_stream(struct stream *s, bool null_sender, unsigned notify)
{
	if (s->gives_up) {
		SEND(run.smtpd.end->channel, ABORT, abort, s->id, .nothing = false);
	} else {
		NOTE(.kind = TAPE_SENT, .id = s->id, .letter = s->letter, .rcpt = (uint8_t)s->rcpts,
		    .number = (uint32_t)s->size, .null_sender = null_sender, .notify = (uint8_t)notify);
		send_commit(run.smtpd.end, s->id, s->size);
	}
	forget_stream(s);
}

static bool
has_null_sender(uint32_t letter)
{
	return letter % 11 == 5;
}

static unsigned
notify_of(uint32_t letter)
{
	static const unsigned sets[] = { 0, 0, 0, 0, 0, PROTO_NOTIFY_NEVER, PROTO_NOTIFY_SUCCESS | PROTO_NOTIFY_FAILURE,
		PROTO_NOTIFY_FAILURE | PROTO_NOTIFY_DELAY, PROTO_NOTIFY_SUCCESS };

	return sets[letter % (sizeof(sets) / sizeof(sets[0]))];
}

static void
go_on(struct stream *s)
{
	send_body(s);
	if (s->sent == s->size)
		finish_stream(s, has_null_sender(s->letter), notify_of(s->letter));
}

static void
send_letter(void)
{
	struct stream *s;
	char sender[64] = "";

	if (run.ids_left == 0 || run.letter - run.plan->first_letter >= LETTERS)
		return;
	s = calloc(1, sizeof(*s));
	assert_non_null(s);
	run.ids_left--;
	*s = (struct stream){ .id = run.next_id++,
		.letter = run.letter++,
		.rcpts = one_in(4) ? 1 + strands_below(MODEL_RCPTS_MAX) : 1,
		.size = some_size(),
		.credit = FIRST_BYTES,
		.gives_up = one_in(20),
		.next = run.streams };
	run.streams = s;
	if (!has_null_sender(s->letter))
		model_sender(sender, s->letter);
	SEND(run.smtpd.end->channel, BEGIN, begin, s->id, .session = 1, .reverse_path = str_of(sender),
	    .body = PROTO_BODY_8BITMIME, .ret = one_in(3) ? PROTO_RET_FULL : PROTO_RET_NONE);
	send_tickets(s, sender, notify_of(s->letter));
	go_on(s);
}

/* One, or many at once: a batch of the journal, and of the committer. */
static void
send_letters(uintptr_t arg)
{
	uint32_t n = one_in(4) ? 2 + strands_below(6) : 1;

	(void)arg;
	while (n-- > 0)
		send_letter();
	after_ms(some_ms(400000), send_letters, 0);
}

static void
hear_smtpd(struct heard *h)
{
	struct stream *s = stream_of(h->id);

	switch (h->type) {
	case PROTO_GRANT_TYPE:
		if (run.ids_left == 0) {
			run.next_id = h->msg.grant.first;
			run.ids_left = h->msg.grant.count;
		}
		break;
	case PROTO_CREDIT_TYPE:
		if (s == NULL)
			break;
		s->credit += h->msg.credit.bytes;
		go_on(s);
		break;
	case PROTO_DONE_TYPE:
		NOTE(.kind = TAPE_TOLD, .id = h->id);
		if (run.told_count < 4096)
			run.told[run.told_count++] = h->id;
		break;
	case PROTO_REFUSED_TYPE:
		if (h->msg.refused.reason != PROTO_REFUSAL_TEMPORARY)
			NOTE(.kind = TAPE_REFUSED, .id = h->id);
		if (s != NULL) {
			SEND(run.smtpd.end->channel, ABORT, abort, h->id, .nothing = false);
			forget_stream(s);
		}
		break;
	default: break;
	}
}

/* --- relay --- */

static unsigned
host_of(struct str destination)
{
	char name[64];
	unsigned i;

	for (i = 0; i < MODEL_DESTINATIONS; i++) {
		(void)snprintf(name, sizeof(name), "out/d%u.example", i);
		if (str_equal(destination, str_of(name)))
			return i;
	}
	return NEAR;
}

static struct task *
task_of(uint64_t id)
{
	size_t i;

	for (i = run.tasks_count; i-- > 0;)
		if (run.tasks[i].id == id && run.tasks[i].life == run.relay_life)
			return &run.tasks[i];
	return NULL;
}

static enum proto_result
result_of(enum mood mood)
{
	switch (mood) {
	case MOOD_ACCEPTS: return PROTO_RESULT_DELIVERED;
	case MOOD_REFUSES: return PROTO_RESULT_FAILED;
	case MOOD_MIXED: return (enum proto_result)strands_below(3);
	case MOOD_DEFERS:
	case MOOD_STALLS:
	case MOOD_DOWN:
	case MOOD_COUNT: break;
	}
	return PROTO_RESULT_DEFERRED;
}

static void
answer_task(uintptr_t index)
{
	static const unsigned codes[] = { 250, 451, 550 };
	struct task *t = &run.tasks[index];
	enum mood mood = t->cancelled ? MOOD_DEFERS : run.moods[t->host];
	enum proto_result result;
	size_t i;

	if (t->life != run.relay_life || run.relay.end == NULL || t->answered)
		return;
	t->answered = true;
	if (mood == MOOD_DOWN)
		NOTE(.kind = TAPE_DOWN, .number = t->host);
	for (i = 0; i < t->count; i++) {
		result = result_of(mood);
		NOTE(.kind = TAPE_SAID, .id = t->message, .rcpt = (uint8_t)t->numbers[i], .number = result);
		SEND(run.relay.end->channel, JOB_RESULT, job_result, t->id, .number = t->numbers[i], .result = result,
		    .code = codes[result], .enhanced = result == PROTO_RESULT_FAILED ? S("5.1.1") : S("4.7.1"),
		    .text = S("so it went"), .hop = S("mx.far.example"), .passed = t->message % 3 == 0);
	}
	SEND(run.relay.end->channel, JOB_END, job_end, t->id, .host_down = mood == MOOD_DOWN);
}

static void
begin_answer(struct task *t)
{
	int64_t ms = run.moods[t->host] == MOOD_STALLS ? 300000 + strands_below(600000) : some_ms(3000);

	after_ms(ms, answer_task, (uintptr_t)(t - run.tasks));
}

static void
take_job(const struct heard *h)
{
	struct task *t;

	if (run.tasks_count == TASKS_MAX)
		fail_msg("too many jobs");
	t = &run.tasks[run.tasks_count++];
	*t = (struct task){ .id = h->id,
		.message = h->msg.job.message,
		.size = h->msg.job.size,
		.wanted = h->msg.job.rcpts,
		.life = run.relay_life,
		.host = host_of(h->msg.job.destination),
		.pulls = one_in(3) };
}

static void
take_body(struct task *t, const struct msg_job_body *body)
{
	t->got = body->offset + body->bytes.len;
	if (t->pulls && t->got < t->size)
		SEND(run.relay.end->channel, JOB_PULL, job_pull, t->id, .offset = t->got);
	else
		begin_answer(t);
}

static void
hear_relay(struct heard *h)
{
	struct task *t = task_of(h->id);

	if (h->type == PROTO_JOB_TYPE)
		take_job(h);
	if (t == NULL)
		return;
	if (h->type == PROTO_JOB_RCPT_TYPE) {
		t->numbers[t->count++] = h->msg.job_rcpt.number;
		NOTE(.kind = TAPE_TRIED, .id = t->message, .rcpt = (uint8_t)h->msg.job_rcpt.number);
	} else if (h->type == PROTO_JOB_BODY_TYPE) {
		take_body(t, &h->msg.job_body);
	} else if (h->type == PROTO_JOB_CANCEL_TYPE) {
		t->cancelled = true;
		answer_task((uintptr_t)(t - run.tasks));
	}
}

static void
join_relay(uintptr_t arg)
{
	(void)arg;
	run.relay.heard = 0;
	run.relay.end = world_join(PROTO_KIND_RELAY, ++run.relay_life);
}

static void
kill_relay(uintptr_t arg)
{
	struct end *end = run.relay.end;

	(void)arg;
	after_ms(3600000 + some_ms(3600000), kill_relay, 0);
	if (end == NULL)
		return;
	run.relay.end = NULL;
	die(end);
	after_ms(some_ms(2000), join_relay, 0);
}

/* --- router --- */

struct check {
	uint64_t transaction, number;
	unsigned life;
	char address[64];
};

static void
send_verdict(const struct check *c, unsigned code, const char *enhanced, uint64_t tickets)
{
	SEND(run.router.end->channel, RCPT_VERDICT, rcpt_verdict, 0, .transaction = c->transaction, .number = c->number,
	    .code = code, .enhanced = str_of(enhanced), .text = S("so it is"), .tickets = tickets);
}

static void
answer_check(uintptr_t arg)
{
	struct check *c = (struct check *)arg;
	struct msg_ticket ticket = ticket_for(c->transaction, c->number, "out/near.example");
	struct buf sealed;

	if (run.router.end == NULL || c->life != run.router_life) {
		free(c);
		return;
	}
	switch (strands_below(20)) {
	case 0:
		NOTE(.kind = TAPE_ROUTE_FAILED, .id = c->transaction);
		send_verdict(c, 550, "5.1.1", 0);
		break;
	case 1: send_verdict(c, 451, "4.3.0", 0); break;
	default:
		ticket.reverse_path = S("");
		ticket.origin = S("dsn");
		ticket.forward_path = ticket.recipient = str_of(c->address);
		ticket.ttl_s = 3600 + strands_below(7200);
		buf_init(&sealed, PROTO_TICKET_MAX);
		assert_true(seal_make(core.tickets, PROTO_TICKET_TYPE, &ticket, &sealed));
		SEND(run.router.end->channel, RCPT_TICKET, rcpt_ticket, 0, .transaction = c->transaction,
		    .number = c->number, .ticket = buf_str(&sealed));
		buf_clear(&sealed);
		send_verdict(c, 250, "2.1.5", 1);
		break;
	}
	free(c);
}

static void
hear_router(struct heard *h)
{
	struct check *c;

	if (h->type != PROTO_RCPT_CHECK_TYPE)
		return;
	c = calloc(1, sizeof(*c));
	assert_non_null(c);
	c->transaction = h->msg.rcpt_check.transaction;
	c->number = h->msg.rcpt_check.number;
	c->life = run.router_life;
	(void)str_copy(h->msg.rcpt_check.forward_path, c->address, sizeof(c->address));
	after_ms(some_ms(500), answer_check, (uintptr_t)c);
}

static void
join_router(uintptr_t arg)
{
	(void)arg;
	run.router.heard = 0;
	run.router_life++;
	run.router.end = world_join(PROTO_KIND_ROUTER, 0);
}

static void
kill_router(uintptr_t arg)
{
	struct end *end = run.router.end;

	(void)arg;
	after_ms(3600000 + some_ms(3600000), kill_router, 0);
	if (end == NULL)
		return;
	run.router.end = NULL;
	die(end);
	after_ms(some_ms(2000), join_router, 0);
}

/* --- control --- */

static void
change(uintptr_t arg)
{
	size_t newest = run.told_count < RECENT ? run.told_count : RECENT;
	uint64_t id = newest > 0 ? run.told[run.told_count - 1 - strands_below((uint32_t)newest)] : 0;

	(void)arg;
	after_ms(some_ms(900000), change, 0);
	if (run.removing != 0)
		return;
	if (id == 0 || one_in(2)) {
		SEND(run.control.end->channel, QUEUE_CHANGE, queue_change, ++run.last_request,
		    .change = PROTO_CHANGE_SCHEDULE, .owner = PROTO_OWNER_ANY, .message = one_in(2) ? id : 0,
		    .by = S("root"));
		return;
	}
	run.removing = id;
	NOTE(.kind = TAPE_REMOVE, .id = id);
	SEND(run.control.end->channel, QUEUE_CHANGE, queue_change, ++run.last_request, .change = PROTO_CHANGE_REMOVE,
	    .owner = PROTO_OWNER_ANY, .message = id, .by = S("root"));
}

static void
hear_control(struct heard *h)
{
	const struct msg_answer_end *end = &h->msg.answer_end;

	if (h->type != PROTO_ANSWER_END_TYPE || h->id != run.last_request || run.removing == 0)
		return;
	/* With a word on what is being delivered not all of it was removed. */
	if (end->ok && end->text.len == 0)
		NOTE(.kind = TAPE_REMOVED, .id = run.removing);
	run.removing = 0;
}

/* --- the world --- */

static void
change_mood(uintptr_t arg)
{
	static const enum mood often[] = { MOOD_ACCEPTS, MOOD_ACCEPTS, MOOD_ACCEPTS, MOOD_MIXED, MOOD_MIXED };
	uint32_t host = strands_below(HOSTS), n = strands_below(MOOD_COUNT + 5);

	(void)arg;
	run.moods[host] = n < MOOD_COUNT ? (enum mood)n : often[n - MOOD_COUNT];
	after_ms(some_ms(600000), change_mood, 0);
}

static void
jump_calendar(uintptr_t arg)
{
	static const int64_t hours[] = { 1, 24, 24 * 365 * 10, -1, -24, -24 * 365 * 10 };

	(void)arg;
	strands_move_wall(hours[strands_below(6)] * 3600 * 1000);
	after_ms(some_ms(3600000), jump_calendar, 0);
}

static void
fill_disk(uintptr_t full)
{
	const uint64_t kb = 1024;

	disk_fill(full ? DISK_BYTES - (2000 + strands_below(6000)) * kb : 0);
	after_ms(full ? some_ms(900000) : some_ms(3600000), fill_disk, !full);
}

static void
attend(struct player *p)
{
	while (p->end != NULL && p->heard < p->end->heard_count)
		p->hears(&p->end->heard[p->heard++]);
}

static void
start_world(void)
{
	(void)snprintf(world.dir, sizeof(world.dir), "%s", run.plan->dir);
	configure();
	world.config.queue_size = MODEL_STORE_BYTES;
	world.config.queue_retry_min_s = 300;
	world.config.queue_retry_max_s = 3600;
	world.config.bounce_warn_s[0] = 1800;
	world.config.bounce_warn_s[1] = 7200;
	world.config.bounce_warn_count = MODEL_WARNINGS;
	world.generation = 1;
	world_start();
	run.smtpd = (struct player){ world_join(PROTO_KIND_SMTPD, 0), 0, hear_smtpd };
	run.control = (struct player){ world_join(PROTO_KIND_CONTROL, 0), 0, hear_control };
	run.relay.hears = hear_relay;
	run.router.hears = hear_router;
	join_relay(0);
	join_router(0);
}

static void
begin_events(void)
{
	size_t i;

	for (i = 0; i < HOSTS; i++)
		change_mood(0);
	send_letters(0);
	after_ms(some_ms(600000), change, 0);
	after_ms(some_ms(3600000), kill_relay, 0);
	after_ms(some_ms(3600000), kill_router, 0);
	after_ms(some_ms(3600000), jump_calendar, 0);
	after_ms(some_ms(3600000), fill_disk, 1);
}

static bool
is_over(void)
{
	return run.tape->count >= ENTRIES || strands_elapsed_us() > RUN_US;
}

void
run_queue(const struct run *plan, struct tape *tape)
{
	run.plan = plan;
	run.tape = tape;
	run.letter = plan->first_letter;
	strands_begin(plan->seed, plan->wall_ms);
	log_init("simulate", STDERR_FILENO, LOG_TEXT, LOG_ERROR);
	loop_init();
	disk_record(tape, plan->mutant);
	if (plan->faults)
		disk_fail_after(1 + strands_below(one_in(4) ? 40 : 500));
	start_world();
	begin_events();
	while (!is_over()) {
		strands_turn();
		strands_spend_us(5);
		attend(&run.smtpd);
		attend(&run.relay);
		attend(&run.router);
		attend(&run.control);
	}
	_exit(0);
}
