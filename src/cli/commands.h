/* The commands of the program. Each gets its own arguments (argv[0] is its name) and returns the exit status:
 * 0, 1 for a failure, 2 for wrong usage. */
#pragma once

int cmd_mount(int argc, char **argv);
int cmd_mount_helper(int argc, char **argv); /* as mount(8) calls it: mount.eventfold DATA MNT -o OPTIONS */
int cmd_cluster(int argc, char **argv);
int cmd_fold(int argc, char **argv);
int cmd_find(int argc, char **argv);
int cmd_head(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_append(int argc, char **argv);
int cmd_copy(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_recover(int argc, char **argv);
int cmd_reducers(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_umount(int argc, char **argv);
int cmd_log(int argc, char **argv);
