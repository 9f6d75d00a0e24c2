// SPDX-License-Identifier: GPL-2.0-only
/*
 * Loads a BPF program, attaches it, and runs a command meanwhile:
 *
 *	attach FILE.bpf.o COMMAND [ARGUMENT]...
 *
 * A link that nobody holds open is taken away by the kernel: the program works
 * as long as this one does.
 */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *object;
	struct bpf_program *program;
	pid_t child;
	int status;

	if (argc < 3) {
		fprintf(stderr, "usage: %s FILE COMMAND [ARGUMENT]...\n", argv[0]);
		return 2;
	}

	object = bpf_object__open_file(argv[1], NULL);
	if (!object || bpf_object__load(object)) {
		perror(argv[1]);
		return 1;
	}
	bpf_object__for_each_program(program, object) {
		if (!bpf_program__attach(program)) {
			perror(bpf_program__name(program));
			return 1;
		}
		printf("attached: %s\n", bpf_program__section_name(program));
	}
	fflush(stdout);

	child = fork();
	if (!child) {
		execvp(argv[2], argv + 2);
		perror(argv[2]);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0) {
		perror("cannot run the command");
		return 1;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
