/* killpoints - a process is killed at every instruction of the library, and nothing is lost.

   What it proves. For each scenario (a call of the library in a certain situation, see the table
   below) a process is stopped just before the call, is let run for N instructions, and is killed
   with SIGKILL; for every N from 0 until the call returns or the process has exited. After each
   kill a process that used the library before and a fresh one look at the world, see world.h: no
   segment without a name, no name without a segment, data whole, the names of others untouched,
   everything usable within a second, nothing left after the last destroy. The scenarios that
   begin with "recover" kill a second process while it clears up after a first one, which was
   killed at the worst moment.

   How. The process is a fork of this one and is traced with ptrace. One run is single-stepped
   from end to end and gives the addresses of all instructions executed. A point N is then reached
   with a hardware breakpoint on its instruction, which is passed as often as that instruction
   was executed before; or, where that is cheaper, on an earlier instruction, and by single
   steps from there. A system call counts as one instruction. It is checked that each point is
   really where the first run was after N instructions, and every 50th point is reached by
   single steps alone. Where a path differs from run to run (a random key) the point is tried
   again, and then killed at where it is; this is counted as "strayed".

   The registry's table has room for as many names as the system allows segments, and recovery
   looks at all of it; so that every turn of that loop can be a point, the system's limit is
   lowered (in the name space of the worker only, and where it may be). The code is the same.

   The quick form takes about every hundredth point, by a stride whose offset the seed chooses, and
   all points next to a system call. The full form takes every point; a point that can only be
   reached by more than a few thousand stops (deep in a loop) is sampled, 1 of 64, and the
   others are counted as "skipped".

   usage: killpoints quick|full [seed [scenario[:point]]]
   build: cc -std=gnu99 -O2 -I../../include killpoints.c -lshm_util -Wl,-z,now
   (-z now: no point is wasted on the dynamic linker's lazy binding.)

   Each worker process has an IPC namespace of its own, as root or by way of a user namespace;
   without either the test is skipped. */

#include "world.h"

#if !defined(__x86_64__)

int main(void)
{
    printf("killpoints: SKIP: knows the registers of x86_64 only\n");
    return 0;
}

#else

#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

/* ---------------------------------------------------------------- scenarios */

/* Of the traced process. */
static char directory[320];
static char file[400];

static void prepare_nothing(void)
{
}

static void prepare_occupied(void)
{
    address = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static int call_create(void)
{
    return shmCreate(W_NAME, W_SIZE, &address, &memory);
}

static int call_attach(void)
{
    return shmCreate(W_NAME, 0, &address, &memory);
}

static int call_create_bigger(void)
{
    return shmCreate(W_NAME, 2 * W_SIZE, &address, &memory);
}

static int call_destroy(void)
{
    return shmDestroy(memory);
}

static int call_save(void)
{
    return shmSave(memory, file);
}

static int call_exit(void)
{
    exit(0);
}

static int call_create_exclusive(void)
{
    return shmxCreate(W_NAME, W_SIZE, SHMX_EXCL, 0, &address, &memory);
}

static int call_create_kept(void)
{
    return shmxCreate(W_NAME, W_SIZE, SHMX_EXCL | SHMX_KEEP, 0, &address, &memory);
}

static int call_keep(void)
{
    return shmxKeep(memory, 1);
}

static int call_keep_no_more(void)
{
    return shmxKeep(memory, 0);
}

static int call_remove(void)
{
    return shmxRemove(W_NAME);
}

static int call_prune(void)
{
    return shmxPrune(0, NULL);
}

static int nothing_for_each(const struct ShmxInfo *info, void *context)
{
    (void) info;
    (void) context;
    return 0;
}

static int call_list(void)
{
    return shmxList(nothing_for_each, NULL);
}

enum victim { NO_VICTIM, VICTIM_CREATE, VICTIM_DESTROY, VICTIM_BIRTH, VICTIM_REMOVE };

#define NEVER_KEPT { W_NOT_KEPT, W_NOT_KEPT, W_NOT_KEPT }
#define ALWAYS_KEPT { W_KEPT, W_KEPT, W_KEPT }

struct scenario {
    const char *name;
    bool others, held;
    void (*prepare)(void);
    int (*call)(void);
    int status;                                 /* what the call returns when not killed */
    enum w_presence before, between, after;     /* is the name there? */
    unsigned fill;                              /* and what is in it */
    enum victim victim;                         /* who was killed before */
    enum w_file file;           /* what a save finds (W_NEW_FILE: none yet); W_NO_FILE: no save */
    enum w_kept kept[3];        /* is it kept, before, between and after? */
};

static const struct scenario scenarios[] = {
    { "create-new", true, false, prepare_nothing, call_create, 0,
      W_MUST_NOT, W_MAY, W_MUST, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-new-again", true, false, prepare_warm, call_create, 0,
      W_MUST_NOT, W_MAY, W_MUST, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-first", false, false, prepare_nothing, call_create, 0,
      W_MUST_NOT, W_MAY, W_MUST, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-existing", true, true, prepare_nothing, call_create, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "attach-existing", true, true, prepare_warm, call_attach, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-left-alone", true, false, prepare_orphan, call_create, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-no-such", true, false, prepare_nothing, call_attach, ENOENT,
      W_MUST_NOT, W_MUST_NOT, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-no-such-first", false, false, prepare_nothing, call_attach, ENOENT,
      W_MUST_NOT, W_MUST_NOT, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-too-big", true, true, prepare_nothing, call_create_bigger, EINVAL,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-no-room", true, false, prepare_occupied, call_create, EINVAL,
      W_MUST_NOT, W_MAY, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "destroy-not-last", true, true, prepare_attached, call_destroy, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "destroy-last", true, false, prepare_own, call_destroy, 0,
      W_MUST, W_MAY, W_MUST_NOT, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "destroy-only", false, false, prepare_own, call_destroy, 0,
      W_MUST, W_MAY, W_MUST_NOT, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "exit-after-use", false, false, prepare_warm, call_exit, 0,
      W_MUST_NOT, W_MUST_NOT, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "exit-with-others", true, false, prepare_own, call_exit, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "exit-with-name", false, false, prepare_own, call_exit, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-exclusive", true, false, prepare_nothing, call_create_exclusive, 0,
      W_MUST_NOT, W_MAY, W_MUST, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-not-exclusive", true, true, prepare_warm, call_create_exclusive, EEXIST,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "create-kept", true, false, prepare_nothing, call_create_kept, 0,
      W_MUST_NOT, W_MAY, W_MUST, 0, NO_VICTIM, W_NO_FILE,
      { W_NOT_KEPT, W_KEPT, W_KEPT } },
    { "create-kept-no-room", true, false, prepare_occupied, call_create_kept, EINVAL,
      W_MUST_NOT, W_MAY, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE,
      { W_NOT_KEPT, W_KEPT, W_NOT_KEPT } },
    { "keep", true, false, prepare_own, call_keep, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE,
      { W_NOT_KEPT, W_MAYBE_KEPT, W_KEPT } },
    { "keep-no-more", true, false, prepare_own_kept, call_keep_no_more, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE,
      { W_KEPT, W_MAYBE_KEPT, W_NOT_KEPT } },
    { "destroy-kept", true, false, prepare_own_kept, call_destroy, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, ALWAYS_KEPT },
    { "remove-mapped", true, false, prepare_own_kept, call_remove, 0,
      W_MUST, W_MAY, W_MUST_NOT, W_OWN_FILL, NO_VICTIM, W_NO_FILE, ALWAYS_KEPT },
    { "remove-unused", true, false, prepare_orphan, call_remove, 0,
      W_MUST, W_MAY, W_MUST_NOT, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "remove-no-such-first", false, false, prepare_nothing, call_remove, ENOENT,
      W_MUST_NOT, W_MUST_NOT, W_MUST_NOT, 0, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "prune", true, false, prepare_orphan, call_prune, 0,
      W_MUST, W_MAY, W_MUST_NOT, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "prune-kept", true, false, prepare_orphan_kept, call_prune, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, ALWAYS_KEPT },
    { "prune-mapped", true, true, prepare_warm, call_prune, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "list", true, false, prepare_orphan, call_list, 0,
      W_MUST, W_MUST, W_MUST, W_OWN_FILL, NO_VICTIM, W_NO_FILE, NEVER_KEPT },
    { "save-new", true, true, prepare_attached, call_save, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_NEW_FILE, NEVER_KEPT },
    { "save-over", true, true, prepare_attached, call_save, 0,
      W_MUST, W_MUST, W_MUST, W_HELD_FILL, NO_VICTIM, W_OLD_FILE, NEVER_KEPT },
    { "recover-create", true, false, prepare_nothing, call_create, 0,
      W_MAY, W_MAY, W_MUST, 0, VICTIM_CREATE, W_NO_FILE, NEVER_KEPT },
    { "recover-destroy", true, false, prepare_nothing, call_create, 0,
      W_MAY, W_MAY, W_MUST, 0, VICTIM_DESTROY, W_NO_FILE, NEVER_KEPT },
    { "recover-birth", false, false, prepare_nothing, call_create, 0,
      W_MAY, W_MAY, W_MUST, 0, VICTIM_BIRTH, W_NO_FILE, NEVER_KEPT },
    { "recover-remove", true, false, prepare_nothing, call_create, 0,
      W_MAY, W_MAY, W_MUST, 0, VICTIM_REMOVE, W_NO_FILE, NEVER_KEPT },
};

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0] };

static const struct scenario *scenario_named(const char *name)
{
    int i;

    for (i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i].name, name) == 0)
            return &scenarios[i];
    t_die("no scenario '%s'", name);
}

/* ---------------------------------------------------------------- the traced process */

extern char killpoints_end[];

__attribute__((noinline)) static void traced_call(const struct scenario *s, int *status)
{
    int (*call)(void) = s->call;

    __asm__ volatile("int3" ::: "memory");
    *status = call();
    __asm__ volatile(".globl killpoints_end\nkillpoints_end: int3" ::: "memory");
}

/* Fork a process that is stopped right before the call. */
static pid_t start_traced(const struct scenario *s, int *status_out)
{
    pid_t child = t_fork();
    int status;

    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        s->prepare();
        traced_call(s, status_out);
        _exit(0);
    }
    t_reap(child, &status);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTRAP)
        t_die("scenario %s: the process did not get to the call, status %#x", s->name, status);
    ptrace(PTRACE_SETOPTIONS, child, NULL, (void *) PTRACE_O_EXITKILL);
    return child;
}

enum where { ON_THE_WAY, AT_END, EXITED, CRASHED };

static uint64_t pc_of(pid_t child)
{
    return (uint64_t) ptrace(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), 0);
}

/* Go on, by one instruction or to the breakpoint. */
static enum where advance(pid_t child, enum __ptrace_request how, int *wait_status)
{
    if (ptrace(how, child, NULL, NULL) != 0)
        return CRASHED;
    t_reap(child, wait_status);
    if (WIFEXITED(*wait_status))
        return EXITED;
    if (!WIFSTOPPED(*wait_status) || WSTOPSIG(*wait_status) != SIGTRAP)
        return CRASHED;
    return ON_THE_WAY;
}

static void set_breakpoint(pid_t child, uint64_t where)
{
    if (ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[0]), where) != 0
        || ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 1) != 0)
        t_die("no hardware breakpoint");
}

static void clear_breakpoint(pid_t child)
{
    ptrace(PTRACE_POKEUSER, child, offsetof(struct user, u_debugreg[7]), 0);
}

static void kill_and_reap(pid_t child, bool exited)
{
    if (exited)
        return;
    kill(child, SIGKILL);
    t_reap(child, NULL);
}

/* ---------------------------------------------------------------- the first run */

struct system_call {
    long step;                  /* executed by this instruction */
    long number;
    uint64_t argument[3];
};

struct trace {
    long count;                 /* instructions */
    uint64_t *pc;               /* where each of them is; [count] is the end */
    int *times;                 /* how often it had been reached by then, this time included */
    int calls;
    struct system_call *call;
};

enum { TRACE_MAX = 100000, CALLS_MAX = 4000 };

/* How often was each address reached? Repetitions of one string instruction are one. */
static void count_times(struct trace *t)
{
    enum { BUCKETS = 1 << 20 };
    uint64_t *address_of = calloc(BUCKETS, sizeof *address_of);
    int *count_of = calloc(BUCKETS, sizeof *count_of);
    long i;

    if (address_of == NULL || count_of == NULL)
        t_die("calloc");
    for (i = 1; i <= t->count; i++) {
        size_t bucket = (size_t) t_mix(t->pc[i]) % BUCKETS;

        while (address_of[bucket] != 0 && address_of[bucket] != t->pc[i])
            bucket = (bucket + 1) % BUCKETS;
        address_of[bucket] = t->pc[i];
        if (t->pc[i] != t->pc[i - 1])
            count_of[bucket]++;
        t->times[i] = count_of[bucket];
    }
    free(address_of);
    free(count_of);
}

static void free_trace(struct trace *t)
{
    free(t->pc);
    free(t->times);
    free(t->call);
}

/* Single-step from the call to its end. False if that takes too long. */
static bool make_trace(const struct scenario *s, struct trace *t)
{
    struct user_regs_struct registers;
    enum where where = ON_THE_WAY;
    int call_status = -1, wait_status = 0;
    pid_t child = start_traced(s, &call_status);

    t->pc = calloc(TRACE_MAX + 1, sizeof *t->pc);
    t->times = calloc(TRACE_MAX + 1, sizeof *t->times);
    t->call = calloc(CALLS_MAX, sizeof *t->call);
    if (t->pc == NULL || t->times == NULL || t->call == NULL)
        t_die("calloc");
    t->count = 0;
    t->calls = 0;
    while (t->count < TRACE_MAX) {
        ptrace(PTRACE_GETREGS, child, NULL, &registers);
        t->pc[t->count] = registers.rip;
        if (registers.rip == (uint64_t) (uintptr_t) killpoints_end)
            where = AT_END;
        if (where != ON_THE_WAY)
            break;
        /* The traced process is a fork of ours: its code is ours, at the same place. */
        if (memcmp((const void *) (uintptr_t) registers.rip, "\x0f\x05", 2) == 0
            && t->calls < CALLS_MAX) {
            struct system_call *call = &t->call[t->calls++];

            call->step = t->count;
            call->number = (long) registers.rax;
            call->argument[0] = registers.rdi;
            call->argument[1] = registers.rsi;
            call->argument[2] = registers.rdx;
        }
        where = advance(child, PTRACE_SINGLESTEP, &wait_status);
        if (where == EXITED)
            break;
        if (where == CRASHED)
            t_die("scenario %s: the first run crashed after %ld instructions, status %#x",
                  s->name, t->count, wait_status);
        t->count++;
    }
    kill_and_reap(child, where == EXITED);
    if (t->count >= TRACE_MAX)
        return false;
    count_times(t);
    return true;
}

/* ---------------------------------------------------------------- getting to a point */

struct route {
    long from;                  /* a breakpoint there; none if it is 0 */
    int passes;                 /* the one to stop at */
    long steps;                 /* and then single steps */
};

static long cost_of(const struct route *route)
{
    return route->passes + route->steps;
}

static struct route cheapest_route(const struct trace *t, long point)
{
    struct route best = { 0, 0, point }, route;

    for (route.from = point; route.from > 0; route.from--) {
        route.steps = point - route.from;
        if (route.steps >= cost_of(&best))
            break;
        if (t->pc[route.from] == t->pc[route.from - 1])
            continue;           /* within a string instruction */
        route.passes = t->times[route.from];
        if (cost_of(&route) < cost_of(&best))
            best = route;
    }
    return best;
}

static enum where travel(pid_t child, const struct trace *t, const struct route *route)
{
    enum where where = ON_THE_WAY;
    int wait_status, i;
    long step;

    if (route->from > 0) {
        set_breakpoint(child, t->pc[route->from]);
        for (i = 0; i < route->passes && where == ON_THE_WAY; i++) {
            where = advance(child, PTRACE_CONT, &wait_status);
            if (where == ON_THE_WAY && pc_of(child) != t->pc[route->from])
                return AT_END;  /* the marker at the end: the path differs today */
        }
        if (where != ON_THE_WAY)
            return where;
        clear_breakpoint(child);
    }
    for (step = 0; step < route->steps && where == ON_THE_WAY; step++)
        where = advance(child, PTRACE_SINGLESTEP, &wait_status);
    if (where == ON_THE_WAY && pc_of(child) == (uint64_t) (uintptr_t) killpoints_end)
        where = AT_END;
    return where;
}

/* ---------------------------------------------------------------- the one killed before */

struct victim_plan {
    const struct scenario *scenario;
    struct trace trace;
    long point;
};

static bool is_the_moment(enum victim victim, const struct system_call *call)
{
    switch (victim) {
    case VICTIM_CREATE:
        return call->number == SYS_shmget && (call->argument[2] & IPC_CREAT) != 0
               && call->argument[1] == (uint64_t) W_SIZE;
    case VICTIM_DESTROY:
    case VICTIM_REMOVE:
        return call->number == SYS_shmctl && (call->argument[1] & 0xff) == IPC_RMID;
    case VICTIM_BIRTH:
        return call->number == SYS_shmget && (call->argument[2] & IPC_CREAT) != 0;
    default:
        return false;
    }
}

/* Right after the system call that makes or removes the segment. */
static void plan_victim(enum victim victim, struct victim_plan *plan)
{
    int i;

    plan->scenario = scenario_named(victim == VICTIM_CREATE ? "create-new"
                                    : victim == VICTIM_DESTROY ? "destroy-last"
                                    : victim == VICTIM_REMOVE ? "remove-mapped" : "create-first");
    if (!make_trace(plan->scenario, &plan->trace))
        t_die("the victim's path is too long");
    for (i = 0; i < plan->trace.calls; i++)
        if (is_the_moment(victim, &plan->trace.call[i])) {
            plan->point = plan->trace.call[i].step + 1;
            return;
        }
    t_die("the victim of %s never comes to its moment", plan->scenario->name);
}

static void kill_victim(const struct victim_plan *plan)
{
    struct route route = cheapest_route(&plan->trace, plan->point);
    int status;
    pid_t child = start_traced(plan->scenario, &status);
    enum where where = travel(child, &plan->trace, &route);

    kill_and_reap(child, where == EXITED);
}

/* ---------------------------------------------------------------- one point */

struct result {
    long instructions, calls, points, strayed, skipped, temporaries, damage;
    double seconds, slowest;
    bool too_long;              /* the path, so it was not tried */
    bool gave_up;               /* enough damage seen */
    long told;
    long where[5];
    char what[5][700];
};

struct job {
    const struct scenario *scenario;
    struct world *world;
    struct trace trace;
    struct victim_plan victim;
    struct result *result;
    int *status;                /* of the call; shared with the traced process */
};

static void report(struct job *job, long point, const char *text)
{
    struct result *result = job->result;

    result->damage++;
    if (result->told < 5) {
        result->where[result->told] = point;
        snprintf(result->what[result->told], sizeof result->what[0], "%s", text);
        result->told++;
    }
}

static void restore_file(const struct scenario *s)
{
    w_sweep(directory, NULL);
    if (s->file == W_OLD_FILE)
        w_write_file(file, W_OLD_SIZE, W_OLD_FILL);
}

static bool check_file(struct job *job, enum where where, char *text, size_t size)
{
    enum w_file is = w_which_file(file, job->scenario->fill);
    bool whole = is == W_NEW_FILE
                 || (where != AT_END
                     && is == (job->scenario->file == W_OLD_FILE ? W_OLD_FILE : W_NO_FILE));

    job->result->temporaries += w_sweep(directory, "saved");
    restore_file(job->scenario);
    if (!whole)
        snprintf(text, size, "the saved file is neither the old one nor the new one");
    return !whole;
}

static void try_point(struct job *job, long point, bool by_steps)
{
    const struct scenario *s = job->scenario;
    struct route route = cheapest_route(&job->trace, point);
    struct w_expect expect = { W_MAY, s->fill, false, false, W_MAYBE_KEPT };
    enum where where = ON_THE_WAY;
    char text[700] = "";
    pid_t child;
    int tries, moment;

    if (by_steps) {
        route.from = 0;
        route.passes = 0;
        route.steps = point;
    }
    for (tries = 1;; tries++) {
        bool strayed;

        if (s->victim != NO_VICTIM)
            kill_victim(&job->victim);
        *job->status = -1;
        child = start_traced(s, job->status);
        where = travel(child, &job->trace, &route);
        strayed = where != CRASHED && where != EXITED && pc_of(child) != job->trace.pc[point];
        kill_and_reap(child, where == EXITED || where == CRASHED);
        if (where == CRASHED) {
            kill(child, SIGKILL);
            report(job, point, "the call crashed");
        }
        if (!strayed)
            break;
        if (tries == 3) {
            job->result->strayed++;
            break;
        }
        /* Try again, from the same world. */
        w_verdict(job->world, &expect, false, text, sizeof text);
        if (s->file != W_NO_FILE)
            restore_file(s);
    }
    job->result->points++;
    moment = where == AT_END || where == EXITED ? 2 : point == 0 ? 0 : 1;
    expect.presence = moment == 2 ? s->after : moment == 0 ? s->before : s->between;
    expect.kept = s->kept[moment];
    if (where == AT_END && *job->status != s->status) {
        snprintf(text, sizeof text, "the call returned %d (%s), not %d", *job->status,
                 strerror(*job->status), s->status);
        report(job, point, text);
    }
    if (s->file != W_NO_FILE && check_file(job, where, text, sizeof text))
        report(job, point, text);
    if (w_verdict(job->world, &expect, point % 2 == 1, text, sizeof text))
        report(job, point, text);
}

/* ---------------------------------------------------------------- all points of a scenario */

struct plan {
    bool full;
    uint64_t seed;
    long only;                  /* a single point, or -1 */
    int part, parts;            /* this job takes the points of one part */
    long limit;                 /* stops that a point may cost */
    double patience;            /* seconds for a scenario in which there is damage */
};

static bool next_to_a_call(const struct trace *t, long point)
{
    int i;

    for (i = 0; i < t->calls; i++)
        if (point == t->call[i].step || point == t->call[i].step + 1)
            return true;
    return false;
}

static void run_scenario(const struct scenario *s, struct world *w, const struct plan *plan,
                         struct result *result)
{
    struct job job;
    double since = t_now();
    long point, stride, offset;

    memset(&job, 0, sizeof job);
    job.scenario = s;
    job.world = w;
    job.result = result;
    job.status = (int *) t_shared_memory(sizeof *job.status);
    w_make(w, s->others, s->held);
    w->shared->slowest = 0;
    if (s->file != W_NO_FILE)
        restore_file(s);
    if (s->victim != NO_VICTIM) {
        plan_victim(s->victim, &job.victim);
        w_reset(w);
        kill_victim(&job.victim);
    }
    result->too_long = !make_trace(s, &job.trace);
    w_reset(w);
    if (s->file != W_NO_FILE)
        restore_file(s);
    result->instructions = job.trace.count;
    result->calls = job.trace.calls;
    stride = plan->full ? 1 : job.trace.count / 110 + 1;
    offset = (long) (t_mix(plan->seed) % (uint64_t) stride);
    for (point = 0; point <= job.trace.count && !result->too_long; point++) {
        struct route route;
        bool wanted = point % stride == offset || point == 0 || point == job.trace.count
                      || next_to_a_call(&job.trace, point);

        if (plan->only >= 0 ? point != plan->only
                            : !wanted || point % plan->parts != plan->part)
            continue;
        if (result->damage >= 40 || (result->damage > 0 && t_now() - since > plan->patience)) {
            result->gave_up = true;
            break;
        }
        route = cheapest_route(&job.trace, point);
        if (cost_of(&route) > plan->limit && point % 64 != 0 && plan->only < 0) {
            result->skipped++;
            continue;
        }
        try_point(&job, point, point % 50 == 7 && point < 4 * plan->limit);
    }
    result->slowest = w->shared->slowest;
    w_unmake(w);
    w_sweep(directory, NULL);
    free_trace(&job.trace);
    if (s->victim != NO_VICTIM)
        free_trace(&job.victim.trace);
    munmap(job.status, sizeof *job.status);
    result->seconds = t_now() - since;
}

/* ---------------------------------------------------------------- workers */

struct shared {
    int next;                   /* job to do */
    int isolation;
    struct result result[SCENARIOS * 2];
};

static void work(struct shared *shared, struct plan plan, const struct scenario *only, int cpu)
{
    struct world world;
    cpu_set_t cpus;
    int job;

    memset(&world, 0, sizeof world);
    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    sched_setaffinity(0, sizeof cpus, &cpus);       /* tracer and traced: no wake-ups afar */
    if (t_isolate() == T_SHARED)
        t_die("unshare");
    t_write_file("/proc/sys/kernel/shmmni", "64");
    snprintf(directory, sizeof directory, "%s/%d", t_temporary.path, cpu);
    if (mkdir(directory, 0700) != 0)
        t_die("mkdir");
    snprintf(file, sizeof file, "%s/saved", directory);
    while ((job = __sync_fetch_and_add(&shared->next, 1)) < SCENARIOS * plan.parts) {
        const struct scenario *s = &scenarios[job / plan.parts];

        plan.part = job % plan.parts;
        if (only == NULL || only == s)
            run_scenario(s, &world, &plan, &shared->result[job]);
    }
    _exit(0);
}

/* Can a child get a name space of its own? */
static enum t_isolation probe_isolation(void)
{
    pid_t child = t_fork();
    int status;

    if (child == 0)
        _exit(t_isolate());
    t_reap(child, &status);
    return WIFEXITED(status) ? (enum t_isolation) WEXITSTATUS(status) : T_SHARED;
}

/* Print a scenario's line; add its figures to the sums. */
static void print_result(const struct scenario *s, const struct plan *plan,
                         const struct result *part, struct result *all)
{
    struct result sum;
    int i;
    long j;

    memset(&sum, 0, sizeof sum);
    for (i = 0; i < plan->parts; i++) {
        sum.points += part[i].points;
        sum.strayed += part[i].strayed;
        sum.skipped += part[i].skipped;
        sum.temporaries += part[i].temporaries;
        sum.damage += part[i].damage;
        sum.seconds += part[i].seconds;
        if (part[i].slowest > sum.slowest)
            sum.slowest = part[i].slowest;
    }
    printf("%-22s %8ld %6ld %8ld %8ld %8ld %6ld %8.3f %7.1f %7ld\n", s->name,
           part[0].instructions, part[0].calls, sum.points, sum.strayed, sum.skipped,
           sum.temporaries, sum.slowest, sum.seconds, sum.damage);
    for (i = 0; i < plan->parts; i++) {
        for (j = 0; j < part[i].told; j++)
            printf("    %s:%ld: %s\n", s->name, part[i].where[j], part[i].what[j]);
        if (part[i].too_long && i == 0)
            printf("    %s: SKIP: more than %d instructions: the system's limit of segments, and "
                   "with it the table, could not be made smaller\n", s->name, TRACE_MAX);
        if (part[i].gave_up)
            printf("    %s: damage enough, the rest was not tried\n", s->name);
    }
    all->instructions += part[0].instructions;
    all->points += sum.points;
    all->strayed += sum.strayed;
    all->skipped += sum.skipped;
    all->temporaries += sum.temporaries;
    all->damage += sum.damage;
}

int main(int argc, char **argv)
{
    struct t_options options = t_options(argc, argv);
    const struct scenario *only = NULL;
    struct shared *shared = (struct shared *) t_shared_memory(sizeof *shared);
    struct result all;
    struct plan plan;
    cpu_set_t cpus;
    int workers, cpu, i, status, paths = 0, died = 0;
    double since = t_now();

    unsetenv("NOB_DATABASE");
    unsetenv("APERROR_PRINT");
    unsetenv("RUST_BACKTRACE");
    setenv("SHM_UTIL_SYNC", "0", 1);
    memset(&plan, 0, sizeof plan);
    memset(&all, 0, sizeof all);
    plan.full = options.full;
    plan.seed = options.seed;
    plan.only = -1;
    plan.limit = options.full ? 4000 : 300;
    plan.patience = options.full ? 60 : 10;
    if (argc > 3) {
        char *colon = strchr(argv[3], ':');

        if (colon != NULL) {
            *colon = '\0';
            plan.only = strtol(colon + 1, NULL, 10);
        }
        only = scenario_named(argv[3]);
    }
    shared->isolation = (int) probe_isolation();
    if (shared->isolation == T_SHARED) {
        printf("SKIP: killpoints: needs an IPC namespace of its own\n");
        return 0;
    }
    t_temporary_directory(NULL);
    sched_getaffinity(0, sizeof cpus, &cpus);
    workers = plan.only >= 0 ? 1 : CPU_COUNT(&cpus);
    if (workers > 8)
        workers = 8;
    plan.parts = plan.full && plan.only < 0 ? 2 : 1;
    printf("killpoints: %s form, seed %llu, %d worker%s, %s\n", argv[1],
           (unsigned long long) plan.seed, workers, workers == 1 ? "" : "s",
           t_isolation_text((enum t_isolation) shared->isolation));
    for (i = 0, cpu = 0; i < workers; i++, cpu++) {
        while (!CPU_ISSET(cpu, &cpus))
            cpu++;
        if (t_fork() == 0)
            work(shared, plan, only, cpu);
    }
    while (wait(&status) > 0 || errno == EINTR)
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            died++;
    printf("%-22s %8s %6s %8s %8s %8s %6s %8s %7s %7s\n", "scenario", "instr.", "calls",
           "points", "strayed", "skipped", "temp.", "slowest", "time s", "damage");
    for (i = 0; i < SCENARIOS; i++) {
        if (only != NULL && only != &scenarios[i])
            continue;
        print_result(&scenarios[i], &plan, &shared->result[i * plan.parts], &all);
        if (shared->result[i * plan.parts].points > 0)
            paths++;
    }
    if (died > 0)
        printf("%d worker%s of this harness died\n", died, died == 1 ? "" : "s");
    printf("temp.: temporary files that a killed shmSave left; slowest: seconds, of the calls "
           "after a kill\n");
    printf("%.0f s in all\n", t_now() - since);
    printf("killpoints: points=%ld damage=%ld paths=%d instructions=%ld strayed=%ld skipped=%ld "
           "temporaries=%ld\n", all.points, all.damage, paths, all.instructions, all.strayed,
           all.skipped, all.temporaries);
    return all.damage == 0 && died == 0 ? 0 : 1;
}

#endif
