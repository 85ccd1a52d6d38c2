/* SPDX-License-Identifier: MIT */
/*
 * sanitizers.c: how the sanitizers' run times are to behave; unused without them.
 *
 *	a report ends the test	so that it counts as failed
 *	report_signal_unsafe=0	our SIGSEGV handler stands for a fault in the middle of the core:
 *				it is synchronous, and may do what the faulting code may
 *	atexit_sleep_ms=0	else each test that leaves a thread behind waits a second for races that
 *				the end of a process cannot have
 *	die_after_fork=0	expected panics fork a process that may have several threads
 *	detect_leaks=0		a test's process ends without tidying up; frames are counted instead
 */
#define SANITIZER_HOOK __attribute__((used, visibility("default")))

SANITIZER_HOOK const char *__tsan_default_options(void);
SANITIZER_HOOK const char *__asan_default_options(void);
SANITIZER_HOOK const char *__ubsan_default_options(void);

const char *__tsan_default_options(void)
{
	return "halt_on_error=1:report_signal_unsafe=0:die_after_fork=0:atexit_sleep_ms=0";
}

const char *__asan_default_options(void)
{
	return "detect_leaks=0:allow_user_segv_handler=1";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1";
}
