/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a regular expression as far as confining it takes: quotes, escapes, classes, groups,
 * anchors. Whether it is a legal one the broker finds out. Start at pattern_confine().
 */
#include "proxy/pattern.h"
#include <string.h>

struct scan {
	const uint8_t *at;
	const uint8_t *end;
	unsigned depth;
	bool has_choice; /* a | outside all groups */
	bool has_anchor;
	bool is_quoted;
	bool is_unbalanced;
};

/* Behind a class: [...], [^...], a first ] is a member, [:name:] inside is one too. */
static void
skip_class(struct scan *s)
{
	bool is_first = true;

	s->at++;
	if (s->at < s->end && *s->at == '^')
		s->at++;
	while (s->at < s->end && (is_first || *s->at != ']')) {
		size_t left = (size_t)(s->end - s->at);
		const uint8_t *name = NULL;

		if (left > 2 && s->at[0] == '[' && s->at[1] == ':')
			name = memmem(s->at + 2, left - 2, ":]", 2);
		if (name != NULL)
			s->at = name + 2;
		else
			s->at += *s->at == '\\' && left > 1 ? 2 : 1;
		is_first = false;
	}
	if (s->at < s->end)
		s->at++;
}

/* Behind \Q...\E, or at the end. */
static void
skip_quote(struct scan *s)
{
	const uint8_t *close = memmem(s->at, (size_t)(s->end - s->at), "\\E", 2);

	s->is_quoted = close == NULL;
	s->at = close != NULL ? close + 2 : s->end;
}

static void
take_escape(struct scan *s)
{
	uint8_t what = s->end - s->at > 1 ? s->at[1] : 0;

	s->at += what != 0 ? 2 : 1;
	if (what == 'Q')
		skip_quote(s);
	else if (what == 'A' || what == 'z' || what == 'b' || what == 'B')
		s->has_anchor = true;
}

static void
take(struct scan *s)
{
	switch (*s->at) {
	case '\\':
		take_escape(s);
		return;
	case '[':
		skip_class(s);
		return;
	case '(':
		s->depth++;
		break;
	case ')':
		s->is_unbalanced = s->is_unbalanced || s->depth == 0;
		s->depth -= s->depth > 0;
		break;
	case '|':
		s->has_choice = s->has_choice || s->depth == 0;
		break;
	case '^':
		s->has_anchor = true;
		break;
	default:
		break;
	}
	s->at++;
}

bool
pattern_confine(const uint8_t *text, size_t length, struct pattern *out)
{
	struct scan s = {.at = text, .end = text + length};
	bool is_anchored = false;

	if (length > PATTERN_MAX)
		return false;
	if (length > 0 && text[0] == '^') {
		is_anchored = true;
		s.at++;
	}
	out->at = s.at;
	while (s.at < s.end) {
		if (*s.at == '$' && s.at + 1 < s.end)
			return false;
		if (*s.at == '$') {
			is_anchored = true;
			s.end--;
			break;
		}
		take(&s);
	}
	out->length = (size_t)(s.end - out->at);
	out->is_quoted = s.is_quoted;
	return !s.has_anchor && !s.is_unbalanced && !(is_anchored && s.has_choice);
}
