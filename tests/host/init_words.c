/* SPDX-License-Identifier: MIT */
/* init_words.c: writes its arguments and environment to /words and goes on as /init. */
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv, char **envp)
{
	FILE *file = fopen("/words", "w");
	for (int i = 0; i < argc; i++)
		fprintf(file, "%s\n", argv[i]);
	for (int i = 0; envp[i]; i++)
		fprintf(file, "env %s\n", envp[i]);
	fclose(file);
	argv[0] = "/init";
	execv("/init", (char *[]){ "/init", NULL });
	return 1;
}
