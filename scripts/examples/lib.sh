# lib.sh: what the shell examples share. It is sourced, and the rest of the example is then run in a directory of its
# own, with an empty `data` and `mnt` in it (or other data, mounted beside it), as if it were typed: each command is shown before its output. However the
# example ends, nothing is left mounted, running or lying about.
set -euo pipefail
export LC_ALL=C

# eventfold as found in the PATH, else the one that was built in this checkout.
PATH=$PATH:$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)/build/src/cli
if ! program=$(realpath "$(command -v eventfold)" 2>/dev/null); then
	echo "${0##*/}: there is no eventfold: build it (scripts/run does), or put it into the PATH" >&2
	exit 1
fi

# The reducers that come with it: of its build directory, or installed with it.
for reducers in "${EVENTFOLD_REDUCERS:-}" "${program%/src/cli/eventfold}/reducers" \
	"${program%/bin/eventfold}"/lib*/{,*/}eventfold/reducers; do
	[ ! -d "$reducers" ] || break
done

clean_up() {
	kill $(jobs -p) 2>/dev/null || true
	for mnt in "$dir"/*; do
		# -z: also where something still has a file open in there.
		! mountpoint -q "$mnt" || fusermount3 -u -z "$mnt"
	done
	# The last that a daemon does is to let go of the log's lock.
	for log in "$dir"/*/app.jsonl; do
		[ ! -e "$log" ] || flock -w 60 "$log" true
	done
	wait 2>/dev/null
	rm -rf "$dir"
}

exec 3< <(sed '1d; /lib\.sh"$/d' "$0") </dev/null
dir=$(mktemp -d -t eventfold.XXXXXX)
trap clean_up EXIT
cd "$dir"
mkdir data mnt

command= prompt='$ '
while IFS= read -r line <&3; do
	if [[ ! $command && $line != [^#]* ]]; then
		echo "$line" # a comment, or an empty line
	else
		echo "$prompt$line"
	fi
	command+=$line$'\n'
	# A command that is not whole yet goes on in the next line.
	if [[ $line == *\\ || $(bash -n <<<"$command" 2>&1) ]]; then
		prompt='> '
	else
		eval "$command" 3<&-
		command= prompt='$ '
	fi
done
exit
