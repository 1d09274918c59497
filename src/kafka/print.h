/* SPDX-License-Identifier: Apache-2.0
 *
 * Captured frames as text, for `turnoutctl decode` and for people who debug clients.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct print_options {
	bool response; /* frames are responses to key and version; else requests, whose header says
			  both */
	int key;
	int version;
	bool meanings; /* also say what each field means to the gateway */
};

/* Prints each frame of the bytes (4-byte size, header, body; one after another). Returns how many
 * frames were malformed or cut short; what could be read of those is printed, then where and why it
 * stopped. */
size_t print_frames(const uint8_t *bytes, size_t length, const struct print_options *options,
		    FILE *out);

/* Turns text of hex digits (blanks and line ends ignored, optional 0x, # comments) into bytes in
 * place. Returns the length, or -1 where the text is not hex. */
long print_unhex(char *text, size_t length);
