/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing a human's YAML file: only the span of the value is replaced, every other byte survives
 * (comments, order, blank lines, line ends). Written to a temporary file beside it, synced,
 * renamed, directory synced. A symlink is followed: the file it points to is replaced.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

/* A change to one file: sets the value at a key path, or removes the key (value NULL) with its
 * line(s); removing what is not there changes nothing. Each element of the path is a key, which may
 * be dotted ("not.before") and may stand in the file nested. Missing mappings on the path are
 * created: in block style at the end of their parent, in a flow mapping within it. A new key of the
 * file itself goes to the top when it is a single value (`active`), else to the end. A quoted value
 * keeps its kind of quotes. */
struct edit {
	const char *const *path; /* key path, such as {"users", "sa", "not.before"} */
	size_t depth;
	const char *value; /* plain text, quoted by the editor when YAML needs it; "{}" with raw
			      set; NULL removes */
	bool raw;          /* value is YAML to be written as it is (a flow mapping) */
	bool is_new;       /* ERR_CONFLICT when the path is there already: what a person wrote, and
			    * is perhaps not in force for a fault, is not replaced */
};

/* Pure: the text with the edit applied, in *out (malloc'd, caller frees), checked by reading it
 * again. ERR_INVALID when the text is faulty, when the path leads through something that is no
 * mapping, or when the change cannot be made without touching other lines (then by hand). */
bool edit_apply(const char *text, size_t length, const struct edit *edit, char **out,
		size_t *out_length, struct err *err) MUST_CHECK;

/* Reads the file, applies, writes. Re-reads and tries again when the file changed underneath
 * between read and rename (three times, then ERR_CONFLICT). A missing file counts as empty if
 * create is set. ERR_READ_ONLY when the directory or file system does not let us: the sentence then
 * holds the file, and the exact line to put there by hand. Mode and owner stay; a new file has mode
 * 0644, and its folder is made when it is missing. */
bool edit_file(const char *path, const struct edit *edit, bool create, struct err *err) MUST_CHECK;

/* Atomically writes a whole new file with this mode; ERR_CONFLICT when exclusive and it exists. */
bool edit_write(const char *path, const char *bytes, size_t length, unsigned mode, bool exclusive,
		struct err *err) MUST_CHECK;

/* Removes a file and syncs its directory. */
bool edit_remove(const char *path, struct err *err) MUST_CHECK;

/* Could edit_file() write it? Cheap check to fail early, before a switch holds anybody. */
bool edit_is_writable(const char *path, const char *line_to_edit, struct err *err) MUST_CHECK;

/* What to set for `active` of a logical cluster in this clusters.yaml: the scalar `active` (or
 * none) serves "main"; a map has an entry each. Applies it to the file, turning a scalar into a map
 * when another logical cluster needs an entry. */
bool edit_active(const char *path, const char *logical, const char *physical,
		 struct err *err) MUST_CHECK;
