#include "model/host/jq/functions.h"

#include "model/host/jq/compile.h"

static const struct builtin builtins[] = {
    {.name = "length", .arity = 0, .call = f_length},
    {.name = "utf8bytelength", .arity = 0, .call = f_utf8bytelength},
    {.name = "type", .arity = 0, .call = f_type},
    {.name = "not", .arity = 0, .call = f_not},
    {.name = "error", .arity = 1, .call = f_error, .none = true},
    {.name = "has", .arity = 1, .call = f_has},
    {.name = "contains", .arity = 1, .call = f_contains},
    {.name = "keys", .arity = 0, .call = f_keys},
    {.name = "keys_unsorted", .arity = 0, .call = f_keys_unsorted},
    {.name = "to_entries", .arity = 0, .call = f_to_entries},
    {.name = "add", .arity = 0, .call = f_add},
    {.name = "any", .arity = 0, .call = f_any},
    {.name = "all", .arity = 0, .call = f_all},
    {.name = "sort", .arity = 0, .call = f_sort},
    {.name = "_sort_by_impl", .arity = 1, .call = f_sort_by},
    {.name = "_group_by_impl", .arity = 1, .call = f_group_by},
    {.name = "min", .arity = 0, .call = f_min},
    {.name = "max", .arity = 0, .call = f_max},
    {.name = "_min_by_impl", .arity = 1, .call = f_min_by},
    {.name = "_max_by_impl", .arity = 1, .call = f_max_by},
    {.name = "getpath", .arity = 1, .call = f_getpath},
    {.name = "setpath", .arity = 2, .call = f_setpath, .writes = true},
    {.name = "delpaths", .arity = 1, .call = f_delpaths, .writes = true},
    {.name = "tostring", .arity = 0, .call = f_tostring},
    {.name = "tonumber", .arity = 0, .call = f_tonumber, .none = true},
    {.name = "tojson", .arity = 0, .call = f_tojson},
    {.name = "fromjson", .arity = 0, .call = f_fromjson, .none = true},
    {.name = "startswith", .arity = 1, .call = f_startswith},
    {.name = "endswith", .arity = 1, .call = f_endswith},
    {.name = "ltrimstr", .arity = 1, .call = f_ltrimstr},
    {.name = "rtrimstr", .arity = 1, .call = f_rtrimstr},
    {.name = "split", .arity = 1, .call = f_split},
    {.name = "explode", .arity = 0, .call = f_explode},
    {.name = "implode", .arity = 0, .call = f_implode},
    {.name = "_strindices", .arity = 1, .call = f_strindices},
    {.name = "ascii_downcase", .arity = 0, .call = f_downcase},
    {.name = "ascii_upcase", .arity = 0, .call = f_upcase},
    {.name = "join", .arity = 1, .call = f_join},
    {.name = "format", .arity = 1, .call = f_format},
    {.name = "infinite", .arity = 0, .call = f_infinite},
    {.name = "nan", .arity = 0, .call = f_nan},
    {.name = "isinfinite", .arity = 0, .call = f_isinfinite},
    {.name = "isnan", .arity = 0, .call = f_isnan},
    {.name = "isnormal", .arity = 0, .call = f_isnormal},
    {.name = "gmtime", .arity = 0, .call = f_gmtime},
    {.name = "localtime", .arity = 0, .call = f_localtime, .libjq = true},
    {.name = "mktime", .arity = 0, .call = f_mktime, .libjq = true},
    {.name = "strftime", .arity = 1, .call = f_strftime},
    {.name = "strflocaltime", .arity = 1, .call = f_strflocaltime, .libjq = true},
    {.name = "strptime", .arity = 1, .call = f_strptime, .libjq = true},
    {.name = "_match_impl", .arity = 3, .call = f_match},
};

const struct builtin *builtin_find(struct slice name, unsigned arity)
{
	for (size_t i = 0; i < countof(builtins); i++)
		if (builtins[i].arity == arity && slice_eq(name, slice_of(builtins[i].name)))
			return &builtins[i];
	return math_find(name, arity);
}
