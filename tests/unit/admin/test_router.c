/* SPDX-License-Identifier: Apache-2.0
 *
 * The matcher, and what must hold for every row of the route table.
 */
#include <criterion/criterion.h>
#include <string.h>
#include "admin/handle.h"
#include "admin/router.h"

#define SWITCH "/admin/pclusters/v1/pcluster/{pcluster}/switch"
#define TOKEN  "/admin/vclusters/v1/vcluster/{vcluster}/username/{user}"

static const struct {
	const char *method;
	const char *path;
	const char *route; /* NULL: no such path */
	const char *first; /* value of the first parameter */
	bool other_method;
	bool malformed;
} cases[] = {
    {"GET", "/", "/", NULL, false, false},
    {"GET", "///", "/", NULL, false, false},
    {"GET", "/health", "/health", NULL, false, false},
    {"HEAD", "/health", "/health", NULL, false, false},
    {"GET", "/health/", "/health", NULL, false, false},
    {"GET", "/health//", "/health", NULL, false, false},
    {"GET", "//health", NULL, NULL, false, false},
    {"GET", "/Health", NULL, NULL, false, false},
    {"GET", "/healthy", NULL, NULL, false, false},
    {"POST", "/health", "/health", NULL, true, false},
    {"POST", "/admin/pclusters/v1/pcluster/main/switch", SWITCH, "main", false, false},
    {"POST", "/admin/pclusters/v1/pcluster/main/switch/", SWITCH, "main", false, false},
    {"GET", "/admin/pclusters/v1/pcluster/main/switch", SWITCH, "main", true, false},
    {"POST", "/admin/pclusters/v1/pcluster//switch", NULL, NULL, false, false},
    {"POST", "/admin/pclusters/v1/pcluster/main/switch/x", NULL, NULL, false, false},
    {"POST", "/admin/vclusters/v1/vcluster/teamA/username/sa", TOKEN, "teamA", false, false},
    {"POST", "/admin/vclusters/v1/vcluster/te%61mA/username/sa", TOKEN, "teamA", false, false},
    {"POST", "/admin/vclusters/v1/vcluster/a%2Fb/username/sa", TOKEN, "a/b", false, false},
    {"POST", "/admin/vclusters/v1/vcluster/a%00b/username/sa", NULL, NULL, false, true},
    {"POST", "/admin/vclusters/v1/vcluster/a%0ab/username/sa", NULL, NULL, false, true},
    {"POST", "/admin/vclusters/v1/vcluster/a%2/username/sa", NULL, NULL, false, true},
    {"POST", "/admin/vclusters/v1/vcluster/a%zz/username/sa", NULL, NULL, false, true},
    {"GET", "/health%", NULL, NULL, false, true},
    {"GET", "/health%4", NULL, NULL, false, true},
    {"GET", "health", NULL, NULL, false, true},
    {"OPTIONS", "*", NULL, NULL, false, true},
    {"GET", "", NULL, NULL, false, true},
};

Test(router, matches)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct route_match match;
		const struct http_route *found;

		router_match(cases[i].method, cases[i].path, &match);
		found = cases[i].other_method ? match.same_path : match.route;
		cr_assert(match.malformed == cases[i].malformed, "case %zu %s", i, cases[i].path);
		cr_assert((found != NULL) == (cases[i].route != NULL), "case %zu %s", i,
			  cases[i].path);
		if (found == NULL)
			continue;
		cr_assert(strcmp(found->path, cases[i].route) == 0, "case %zu", i);
		cr_assert((match.route == NULL) == cases[i].other_method, "case %zu", i);
		if (cases[i].first != NULL && match.route != NULL)
			cr_assert(strcmp(match.parameters[0].value, cases[i].first) == 0,
				  "case %zu", i);
	}
}

Test(router, path_or_segment_too_long_is_malformed)
{
	struct route_match match;
	char path[4000];

	memset(path, 'a', sizeof(path) - 1);
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	router_match("GET", path, &match);
	cr_assert(match.malformed);
	path[300] = '\0';
	router_match("GET", path, &match);
	cr_assert(match.malformed);
}

static bool
is_legal(const char *method, const char *path, struct err *err)
{
	struct route_match match;

	router_match(method, path, &match);
	cr_assert(match.route != NULL);
	return router_check(&match, err);
}

Test(router, parameters_must_be_names)
{
	struct err err;

	cr_assert(is_legal("GET", "/admin/vclusters/v1/vcluster/team-A_1.x", &err));
	cr_assert(!is_legal("GET", "/admin/vclusters/v1/vcluster/a%20b", &err));
	cr_assert(err.code == ERR_INVALID);
	cr_assert(strstr(err.text, "'a b'") != NULL);
	cr_assert(!is_legal("GET", "/admin/vclusters/v1/vcluster/..", &err));
	cr_assert(!is_legal("GET", "/admin/vclusters/v1/vcluster/%2e%2e%2fx", &err));
	cr_assert(!is_legal("GET", "/admin/vclusters/v1/vcluster/vcluster:a", &err));
	cr_assert(is_legal("GET", "/admin/pclusters/v1/pcluster/vcluster:a", &err));
	cr_assert(!is_legal("GET", "/admin/pclusters/v1/pcluster/vcluster:", &err));
	cr_assert(!is_legal("GET", "/admin/pclusters/v1/pcluster/other:a", &err));
}

Test(router, allow_lists_methods_of_the_path)
{
	char allow[ROUTE_ALLOW_BYTES];
	struct route_match match;

	router_match("POST", "/admin/vclusters/v1/vcluster/a", &match);
	cr_assert(match.same_path != NULL);
	router_allow(match.same_path, allow);
	cr_assert(strcmp(allow, "GET, HEAD, DELETE") == 0);
}

Test(router, every_row_is_sound)
{
	for (size_t i = 0; i < routes_count; i++) {
		const struct http_route *route = &routes[i];
		bool is_get = strcmp(route->method, "GET") == 0;

		cr_assert(route->handler != NULL && route->summary[0] != '\0', "row %zu", i);
		cr_assert(is_get || strcmp(route->method, "POST") == 0 ||
			      strcmp(route->method, "DELETE") == 0,
			  "row %zu", i);
		/* Whatever is not a plain read needs the right to write. */
		cr_assert(is_get == (route->role != ROLE_WRITE), "row %zu", i);
		/* Nothing under /admin is open. */
		if (strncmp(route->path, "/admin", 6) == 0)
			cr_assert(route->role == ROLE_READ || route->role == ROLE_WRITE, "row %zu",
				  i);
		cr_assert(route->body[0] == '\0' || strcmp(route->method, "POST") == 0, "row %zu",
			  i);
		for (size_t j = 0; j < i; j++)
			cr_assert(strcmp(routes[j].path, route->path) != 0 ||
				      strcmp(routes[j].method, route->method) != 0,
				  "rows %zu and %zu are the same", j, i);
	}
}

Test(router, every_row_is_found_by_its_own_path)
{
	for (size_t i = 0; i < routes_count; i++) {
		struct route_match match;
		struct err err;
		char path[256] = "";

		/* {name} becomes a legal name. */
		for (const char *c = routes[i].path; *c != '\0'; c++) {
			if (*c != '{' && *c != '}')
				strncat(path, c, 1);
		}
		router_match(routes[i].method, path, &match);
		cr_assert(match.route == &routes[i], "%s %s", routes[i].method, path);
		cr_assert(router_check(&match, &err), "%s: %s", path, err.text);
	}
}

Test(router, items_of_a_column)
{
	const char *cursor = "to:string! force:boolean";
	struct route_item item;

	cr_assert(route_item_next(&cursor, &item));
	cr_assert(item.required && strcmp(item.name, "to") == 0);
	cr_assert(strcmp(item.type, "string") == 0);
	cr_assert(route_item_next(&cursor, &item));
	cr_assert(!item.required && strcmp(item.name, "force") == 0);
	cr_assert(strcmp(item.type, "boolean") == 0);
	cr_assert(!route_item_next(&cursor, &item));
}
