/* SPDX-License-Identifier: MIT */
/*
 * exec.c: execve: one program takes another's place.
 *
 *	1 open the file, read its head
 *	2 collect argument strings from the old address space into kernel pages
 *	3 recognise the format: "#!" puts the interpreter's words in front and starts again
 *	4 parse the ELF file; all that can be refused is refused up to here
 *	5 other threads of the process end; a new, empty address space
 *	--- point of no return: the new address space becomes current -------------------------
 *	6 map the program, build its stack, reset handlers, descriptors, registers
 *
 * The strings are kept as they will lie on the new stack, packed downwards from its top:
 *
 *	STACK_TOP - 8	0
 *			path as named (AT_EXECFN)
 *			environment strings, in order
 *			argument strings, in order		<- prog->pos
 *			"x86_64", 16 random bytes
 *			(16-byte aligned) auxv, 0, envp, 0, argv, argc	<- rsp
 *
 * so that putting words in front of argv (for #!) is just packing more.
 *
 * Failure: before step 6 every error leaves the caller as it was; afterwards it dies of SIGSEGV.
 */
#include <pagoda/bug.h>
#include <pagoda/mm.h>
#include <pagoda/page_alloc.h>
#include <pagoda/pagemap.h>
#include <pagoda/slab.h>
#include <pagoda/string.h>
#include <pagoda/uaccess.h>
#include <asm/ptrace.h>
#include <asm/segment.h>
#include <fs/user.h>
#include <kernel/exec.h>
#include <kernel/posix_timer.h>
#include <kernel/process.h>
#include <kernel/report.h>
#include <kernel/sched.h>
#include <kernel/signal_internal.h>
#include <kernel/syscalls.h>

#define ARG_STRING_MAX	 (128 * SZ_1K) /* one string, its 0 included */
#define ARG_SPACE_MIN	 (128 * SZ_1K)
#define ARG_SPACE_MAX	 (6 * SZ_1M)
#define SCRIPT_DEPTH_MAX 5
#define STACK_START_SIZE (132 * SZ_1K) /* [stack] before it grows (ABI.md section 2) */

#define USER_FLAGS 0x202

/* ---- Packing strings ------------------------------------------------------------------------- */

/* The kernel address of byte pos of the space; its page is made if missing. NULL: no memory. */
static void *arg_byte(struct exec_program *prog, unsigned long pos)
{
	void **page = &prog->pages[pos / PAGE_SIZE];

	if (!*page) {
		*page = (void *)__get_free_page(GFP_KERNEL);
		current->arg_pages += *page != NULL;
	}
	return *page ? (char *)*page + pos % PAGE_SIZE : NULL;
}

/* Pack len bytes from user memory, or from kernel memory. */
static int pack_bytes(struct exec_program *prog, bool kernel, unsigned long from, size_t len)
{
	unsigned long to;

	if (len > prog->pos || prog->pos - len < prog->min_pos)
		return -E2BIG;
	prog->pos -= len;
	for (to = prog->pos; len;) {
		size_t n = min(len, PAGE_SIZE - to % PAGE_SIZE);
		void *dst = arg_byte(prog, to);

		if (!dst)
			return -ENOMEM;
		if (kernel)
			memcpy(dst, (const void *)from, n);
		else if (copy_from_user(dst, from, n))
			return -EFAULT;
		to += n;
		from += n;
		len -= n;
	}
	return 0;
}

static int pack_kernel_string(struct exec_program *prog, const char *s)
{
	return pack_bytes(prog, true, (unsigned long)s, strlen(s) + 1);
}

/* String number i of the list, as an address; 0 at the end. */
static int list_entry_at(const struct arg_list *list, int i, unsigned long *out)
{
	if (list->kernel) {
		*out = (unsigned long)list->strings[i];
		return 0;
	}
	return get_user(*out, list->user + (unsigned long)i * sizeof(long));
}

/* Strings between two pauses: some 50,000 instructions if they are short. */
#define PAUSE_EVERY 64

static int count_strings(const struct arg_list *list)
{
	unsigned long s;
	int n = 0, error;

	if (!list->kernel && !list->user)
		return 0;
	for (;;) {
		error = list_entry_at(list, n, &s);
		if (error)
			return error;
		if (!s)
			return n;
		if (++n > (int)(ARG_SPACE_MAX / sizeof(long)))
			return -E2BIG;
		if (fatal_signal_pending())
			return -ERESTARTNOHAND;
		port_cond_resched();
	}
}

static int pack_string(struct exec_program *prog, bool kernel, unsigned long s)
{
	long len;

	if (kernel)
		return pack_kernel_string(prog, (const char *)s);
	len = strnlen_user(s, ARG_STRING_MAX);
	if (!len)
		return -EFAULT;
	if (len > (long)ARG_STRING_MAX)
		return -E2BIG;
	return pack_bytes(prog, false, s, (size_t)len);
}

/* The last string first, as they are packed downwards. */
static int pack_list(struct exec_program *prog, const struct arg_list *list, int n)
{
	unsigned long s;
	int error;

	while (n-- > 0) {
		error = list_entry_at(list, n, &s);
		if (!error)
			error = pack_string(prog, list->kernel, s);
		if (error)
			return error;
		if (n % PAUSE_EVERY)
			continue;
		if (fatal_signal_pending())
			return -EINTR;
		port_cond_resched();
	}
	return 0;
}

/* How much the strings may take: ABI.md section 2. */
static int prepare_space(struct exec_program *prog)
{
	unsigned long limit = clamp(rlimit(RLIMIT_STACK) / 4, ARG_SPACE_MIN, ARG_SPACE_MAX);
	unsigned long pointers = (unsigned long)(max(prog->argc, 1) + prog->envc) * sizeof(long);

	if (pointers >= limit)
		return -E2BIG;
	prog->space = PAGE_ALIGN(limit) + PAGE_SIZE;
	prog->pos = prog->space - sizeof(long); /* the 0 at the very top */
	prog->min_pos = prog->pos - (limit - pointers);
	prog->pages = kcalloc(prog->space / PAGE_SIZE, sizeof(void *), GFP_KERNEL);
	return prog->pages ? 0 : -ENOMEM;
}

static int collect_arguments(struct exec_program *prog, const struct arg_list *argv,
			     const struct arg_list *envp)
{
	int error;

	prog->argc = count_strings(argv);
	if (prog->argc < 0)
		return prog->argc;
	prog->envc = count_strings(envp);
	if (prog->envc < 0)
		return prog->envc;
	error = prepare_space(prog);
	if (!error)
		error = pack_kernel_string(prog, prog->path);
	if (!error)
		error = pack_list(prog, envp, prog->envc);
	if (!error)
		error = pack_list(prog, argv, prog->argc);
	if (!error && prog->argc == 0) {
		prog->argc = 1;
		error = pack_kernel_string(prog, "");
	}
	return error;
}

/* Forget argv[0]. */
static void drop_first_argument(struct exec_program *prog)
{
	while (*(char *)arg_byte(prog, prog->pos)) /* was packed: the page is there */
		prog->pos++;
	prog->pos++;
	prog->argc--;
}

/* ---- Formats --------------------------------------------------------------------------------- */

static int open_program(struct exec_program *prog, int dirfd, const char *path, int flags)
{
	struct file *file = fs_open_exec(dirfd, path, flags);
	long n;

	if (IS_ERR(file))
		return (int)PTR_ERR(file);
	if (prog->file)
		fs_put_file(prog->file);
	prog->file = file;
	memset(prog->head, 0, sizeof(prog->head));
	n = fs_read_kernel(file, prog->head, sizeof(prog->head), 0);
	return n < 0 ? (int)n : 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Split "#! interpreter [argument]" in place: the rest of the line is one argument. False if
 * there is no interpreter, or its name does not end within the head.
 */
static bool split_script_line(char *line, size_t size, char **interp, char **arg)
{
	char *end = memchr(line, '\n', size), *p;
	bool truncated = !end;

	if (truncated)
		end = line + strnlen(line, size - 1);
	while (end > line && is_blank(end[-1]))
		end--;
	*end = 0;
	for (p = line; is_blank(*p); p++)
		;
	if (!*p)
		return false;
	*interp = p;
	while (*p && !is_blank(*p))
		p++;
	if (!*p) {
		*arg = NULL;
		return !truncated || (size_t)(p - line) < size - 1;
	}
	*p++ = 0;
	while (is_blank(*p))
		p++;
	*arg = *p ? p : NULL;
	return true;
}

/* Put "interpreter [argument] script" in place of argv[0] and open the interpreter. */
static int load_script(struct exec_program *prog)
{
	const char *script = prog->script_path ? prog->script_path : prog->path;
	char *line = (char *)prog->head + 2, *interp, *arg, *copy;
	int error;

	if (++prog->script_depth > SCRIPT_DEPTH_MAX)
		return -ELOOP;
	if (prog->path_vanishes)
		return -ENOENT; /* its interpreter could not open it */
	if (!split_script_line(line, sizeof(prog->head) - 2, &interp, &arg))
		return -ENOEXEC;
	drop_first_argument(prog);
	error = pack_kernel_string(prog, script);
	prog->argc++;
	if (!error && arg) {
		error = pack_kernel_string(prog, arg);
		prog->argc++;
	}
	if (!error)
		error = pack_kernel_string(prog, interp);
	prog->argc++;
	if (error)
		return error;
	copy = kstrdup(interp, GFP_KERNEL);
	if (!copy)
		return -ENOMEM;
	kfree(prog->script_path);
	prog->script_path = copy;
	return open_program(prog, AT_FDCWD, copy, 0);
}

static int recognise(struct exec_program *prog)
{
	while (prog->head[0] == '#' && prog->head[1] == '!') {
		int error = load_script(prog);

		if (error)
			return error;
	}
	return elf_is_elf(prog->head) ? elf_parse(prog) : -ENOEXEC;
}

static void free_program(struct exec_program *prog)
{
	elf_image_free(prog->image);
	if (prog->file)
		fs_put_file(prog->file);
	for (unsigned long i = 0; prog->pages && i < prog->space / PAGE_SIZE; i++)
		if (prog->pages[i])
			free_page((unsigned long)prog->pages[i]);
	current->arg_pages = 0;
	kfree(prog->pages);
	kfree(prog->script_path);
	kfree(prog->fd_path);
	kfree(prog);
}

/* ---- The new stack --------------------------------------------------------------------------- */

#define AT_NULL	       0
#define AT_PHDR	       3
#define AT_PHENT       4
#define AT_PHNUM       5
#define AT_PAGESZ      6
#define AT_BASE	       7
#define AT_FLAGS       8
#define AT_ENTRY       9
#define AT_UID	       11
#define AT_EUID	       12
#define AT_GID	       13
#define AT_EGID	       14
#define AT_PLATFORM    15
#define AT_HWCAP       16
#define AT_CLKTCK      17
#define AT_SECURE      23
#define AT_RANDOM      25
#define AT_HWCAP2      26
#define AT_EXECFN      31
#define AT_MINSIGSTKSZ 51
#define PHDR_BYTES     56

#define AUX_MAX 24
static_assert(AUX_MAX * 2 <= ARRAY_SIZE(((struct mm_struct *)NULL)->saved_auxv),
	      "auxv is kept in mm");

struct stack_plan {
	unsigned long strings, platform, random, execfn; /* user addresses */
	unsigned long aux[AUX_MAX * 2];
	unsigned int naux; /* words */
};

static void aux(struct stack_plan *plan, unsigned long type, unsigned long value)
{
	plan->aux[plan->naux++] = type;
	plan->aux[plan->naux++] = value;
}

static void fill_auxv(struct stack_plan *plan, const struct elf_start *start, bool secure)
{
	const struct fs_cred *cred = &current->fs.cred;

	aux(plan, AT_HWCAP, machine_hwcap());
	aux(plan, AT_PAGESZ, PAGE_SIZE);
	aux(plan, AT_CLKTCK, HZ);
	aux(plan, AT_PHDR, start->phdr);
	aux(plan, AT_PHENT, PHDR_BYTES);
	aux(plan, AT_PHNUM, start->phnum);
	aux(plan, AT_BASE, start->interpreter_base);
	aux(plan, AT_FLAGS, 0);
	aux(plan, AT_ENTRY, start->program_entry);
	aux(plan, AT_UID, cred->uid);
	aux(plan, AT_EUID, cred->euid);
	aux(plan, AT_GID, cred->gid);
	aux(plan, AT_EGID, cred->egid);
	aux(plan, AT_SECURE, secure);
	aux(plan, AT_RANDOM, plan->random);
	aux(plan, AT_HWCAP2, 0);
	aux(plan, AT_EXECFN, plan->execfn);
	aux(plan, AT_PLATFORM, plan->platform);
	aux(plan, AT_MINSIGSTKSZ, SIGFRAME_MIN_STACK);
	aux(plan, AT_NULL, 0);
}

static int write_strings(struct exec_program *prog, struct stack_plan *plan)
{
	unsigned long pos = prog->pos, user = STACK_TOP - (prog->space - prog->pos);

	plan->strings = user;
	while (pos < prog->space - sizeof(long)) {
		size_t n = min(prog->space - sizeof(long) - pos, PAGE_SIZE - pos % PAGE_SIZE);

		if (copy_to_user(user, arg_byte(prog, pos), n))
			return -EFAULT;
		pos += n;
		user += n;
		port_cond_resched();
	}
	plan->execfn = STACK_TOP - sizeof(long) - (strlen(prog->path) + 1);
	return 0;
}

static int write_extras(struct stack_plan *plan)
{
	static const char platform[] = "x86_64";
	u8 random[16];

	machine_random(random, sizeof(random));
	plan->platform = plan->strings - sizeof(platform);
	plan->random = ALIGN_DOWN(plan->platform - sizeof(random), 16ul);
	if (copy_to_user(plan->platform, platform, sizeof(platform)) ||
	    copy_to_user(plan->random, random, sizeof(random)))
		return -EFAULT;
	return 0;
}

/* n pointers to consecutive strings from *string on, then a 0, at *slot; both are advanced. */
static int write_pointers(unsigned long *slot, unsigned long *string, int n)
{
	for (int i = 0; i < n; i++) {
		size_t len = strnlen_user(*string, ARG_STRING_MAX);

		if (!len || put_user(*string, *slot))
			return -EFAULT;
		*string += len;
		*slot += sizeof(long);
		if (i % PAUSE_EVERY == PAUSE_EVERY - 1)
			port_cond_resched();
	}
	if (put_user(0ul, *slot))
		return -EFAULT;
	*slot += sizeof(long);
	return 0;
}

/* Everything below the strings. The stack pointer, or -errno. */
static unsigned long write_vectors(struct exec_program *prog, struct stack_plan *plan)
{
	unsigned long words =
		1 + (unsigned long)prog->argc + 1 + (unsigned long)prog->envc + 1 + plan->naux;
	unsigned long sp = ALIGN_DOWN(plan->random - words * sizeof(long), 16ul);
	unsigned long slot = sp, string = plan->strings;
	struct mm_struct *mm = current->vm.mm;

	mm->start_stack = sp;
	if (put_user((unsigned long)prog->argc, slot))
		return (unsigned long)-EFAULT;
	slot += sizeof(long);
	mm->arg_start = string;
	if (write_pointers(&slot, &string, prog->argc))
		return (unsigned long)-EFAULT;
	mm->arg_end = mm->env_start = string;
	if (write_pointers(&slot, &string, prog->envc))
		return (unsigned long)-EFAULT;
	mm->env_end = string;
	if (copy_to_user(slot, plan->aux, plan->naux * sizeof(long)))
		return (unsigned long)-EFAULT;
	memcpy(mm->saved_auxv, plan->aux, plan->naux * sizeof(long));
	return sp;
}

static unsigned long build_stack(struct exec_program *prog, const struct elf_start *start)
{
	struct stack_plan plan = {.naux = 0};
	int error = write_strings(prog, &plan);

	if (!error)
		error = write_extras(&plan);
	if (error)
		return (unsigned long)error;
	fill_auxv(&plan, start, prog->cred.secure);
	return write_vectors(prog, &plan);
}

/* ---- Past the point of no return ------------------------------------------------------------- */

static void reset_signals(struct task_struct *me)
{
	spin_lock_deferring(&me->sighand->siglock);
	for (int i = 0; i < NSIG; i++) {
		struct k_sigaction *action = &me->sighand->action[i];

		if (action->handler != SIG_IGN)
			action->handler = SIG_DFL;
		action->flags = action->restorer = 0;
		action->mask = 0;
	}
	me->altstack = (stack_t){.flags = SS_DISABLE};
	spin_unlock_deferring(&me->sighand->siglock);
}

/*
 * A table of handlers of its own, made before (new), if other processes share it. The other threads
 * have ended: until then all of a process have one lock.
 */
static void unshare_sighand(struct task_struct *me, struct sighand_struct *new)
{
	struct sighand_struct *old = me->sighand;

	VM_BUG_ON(me->signal->live != 1);
	if (!new || atomic_read(&old->count) == 1) {
		if (new)
			put_sighand(new);
		return;
	}
	spin_lock_deferring(&tasklist_lock);
	spin_lock(&old->siglock);
	memcpy(new->action, old->action, sizeof(new->action));
	me->sighand = new;
	spin_unlock(&old->siglock);
	spin_unlock_deferring(&tasklist_lock);
	put_sighand(old);
}

static void set_comm(struct task_struct *me, const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[sizeof(me->vm.comm)] = {0};

	pagoda_strlcpy(name, slash ? slash + 1 : path, sizeof(name));
	memcpy(me->vm.comm, name, sizeof(name));
}

/*
 * The process runs another program now: the signal that clone() chose for a child's end was not
 * meant for it.
 */
static void count_exec(struct signal_struct *sig)
{
	spin_lock_deferring(&tasklist_lock);
	sig->exec_id++;
	spin_unlock_deferring(&tasklist_lock);
}

static void reset_task(struct task_struct *me, struct exec_program *prog)
{
	reset_signals(me);
	fs_task_close_on_exec(&me->fs);
	set_comm(me, prog->path);
	commit_exec_cred(&prog->cred, prog->unreadable);
	count_exec(me->signal);
	rmw_and_relaxed(&me->vm.flags, ~PF_KTHREAD);
	me->signal->did_exec = true;
	me->clear_child_tid = me->set_child_tid = 0;
	me->robust_list = 0;
	me->exit_signal = SIGCHLD;
	me->fs.restart.fn = NULL;
}

static void start_registers(struct task_struct *me, unsigned long ip, unsigned long sp)
{
	struct pt_regs *regs = machine_user_regs(&me->thread);

	memset(regs, 0, sizeof(*regs));
	regs->ip = ip;
	regs->sp = sp;
	regs->cs = USER_CS;
	regs->ss = USER_DS;
	regs->flags = USER_FLAGS;
	regs->orig_ax = ~0ul;
	machine_reset_user_state(&me->thread);
	machine_load_user_state(&me->thread);
}

/* What is to stay free for the stack, from the end of user space down. */
static unsigned long stack_room(void)
{
	unsigned long limit = rlimit(RLIMIT_STACK);

	return limit > RLIM_INFINITY - STACK_TOP_GAP ? RLIM_INFINITY : limit + STACK_TOP_GAP;
}

static int enter_program(struct exec_program *prog, struct mm_struct *mm)
{
	struct task_struct *me = current;
	struct elf_start start;
	unsigned long sp;
	int error;

	if (me->vm.mm)
		report_mm_exit(me->vm.mm);
	limit_secure_stack(&prog->cred);
	arch_pick_mmap_layout(mm, stack_room());
	activate_mm(mm);
	vfork_done(me);
	posix_timers_stop(me->signal);
	reset_task(me, prog);
	mm->exe_file = get_vm_file(file_vm(prog->file));
	error = setup_stack_vma(mm, STACK_TOP, STACK_START_SIZE, elf_stack_flags(prog->image));
	if (!error)
		error = elf_load(prog, &start);
	if (error)
		return error;
	sp = build_stack(prog, &start);
	if (IS_ERR_VALUE(sp))
		return (int)(long)sp;
	start_registers(me, start.entry, sp);
	report_exec();
	return 0;
}

/* Steps that may fail and that undo themselves. The new address space, or an error. */
static struct mm_struct *prepare_to_enter(void)
{
	struct task_struct *me = current;
	bool shared = atomic_read(&me->sighand->count) > 1;
	struct sighand_struct *sighand = shared ? copy_sighand(me->sighand) : NULL;
	struct mm_struct *mm = NULL;
	int error = shared && !sighand ? -ENOMEM : fs_task_unshare_files(&me->fs);

	if (!error && !(mm = mm_alloc()))
		error = -ENOMEM;
	if (!error)
		mm->dumpable = 0; /* until commit_exec_cred() has decided who may look into it */
	if (!error)
		error = kill_other_threads();
	if (!error) {
		unshare_sighand(me, sighand);
		return mm;
	}
	if (mm)
		mmput(mm);
	if (sighand)
		put_sighand(sighand);
	return ERR_PTR(error);
}

/* What the program may do and who may see it; the process is a single thread by now. */
static void decide_rights(struct exec_program *prog)
{
	struct fs_exec_attr attr;

	fs_exec_attributes(prog->file, &attr);
	prog->unreadable |= fs_exec_unreadable(prog->file);
	prepare_exec_cred(&prog->cred, &attr, fs_task_shares_fs(&current->fs));
}

static long exec_prepared(struct exec_program *prog)
{
	struct mm_struct *mm = prepare_to_enter();
	int error;

	if (IS_ERR(mm))
		return PTR_ERR(mm);
	decide_rights(prog);
	error = enter_program(prog, mm);
	if (error)
		force_sig(SIGSEGV); /* the handlers are gone: it dies */
	return error;
}

/* What the program, or a script's interpreter, shall know it by. 0 or -ENOMEM. */
static int name_program(struct exec_program *prog, int dirfd, const char *path)
{
	size_t size = strlen(path) + sizeof("/dev/fd/-2147483648/");

	prog->path = path;
	if (dirfd == AT_FDCWD || *path == '/')
		return 0;
	prog->fd_path = kmalloc(size, GFP_KERNEL);
	if (!prog->fd_path)
		return -ENOMEM;
	pagoda_snprintf(prog->fd_path, size, "/dev/fd/%d%s%s", dirfd, *path ? "/" : "", path);
	prog->path = prog->fd_path;
	prog->path_vanishes = fs_fd_closes_on_exec((unsigned int)dirfd);
	return 0;
}

/*
 * After a setuid() that went beyond the new user's RLIMIT_NPROC (cred.c) execve() fails. 0 or
 * -EAGAIN.
 */
static int check_nproc(struct task_struct *me)
{
	if (me->nproc_exceeded &&
	    (unsigned long)atomic_long_read(&me->fs.user->nr_tasks) > rlimit(RLIMIT_NPROC))
		return -EAGAIN;
	me->nproc_exceeded = false;
	return 0;
}

long do_execve(int dirfd, const char *path, struct arg_list argv, struct arg_list envp, int flags)
{
	struct exec_program *prog = kzalloc(sizeof(*prog), GFP_KERNEL);
	long error;

	if (!prog)
		return -ENOMEM;
	error = check_nproc(current);
	if (!error)
		error = open_program(prog, dirfd, path, flags);
	if (!error)
		error = name_program(prog, dirfd, path);
	if (!error)
		error = collect_arguments(prog, &argv, &envp);
	if (!error)
		error = recognise(prog);
	if (!error)
		error = exec_prepared(prog);
	free_program(prog);
	return error;
}

/* ---- The calls ------------------------------------------------------------------------------- */

long sys_execve(unsigned long upath, unsigned long argv, unsigned long envp)
{
	return sys_execveat((unsigned long)AT_FDCWD, upath, argv, envp, 0);
}

long sys_execveat(unsigned long dirfd, unsigned long upath, unsigned long argv, unsigned long envp,
		  unsigned long flags)
{
	struct arg_list args = {.user = argv}, env = {.user = envp};
	char *path;
	long ret;

	if (flags & ~(unsigned long)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	path = fs_getname(upath, flags & AT_EMPTY_PATH);
	if (IS_ERR(path))
		return PTR_ERR(path);
	ret = do_execve((int)dirfd, path, args, env, (int)flags);
	fs_putname(path);
	return ret;
}
