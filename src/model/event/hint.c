#include "model/event/hint.h"

#include <string.h>

#define BOM "\xef\xbb\xbf"
#define MARK "a byte order mark; JSON is UTF-8 without one"
#define PART "this is a part of an event; an event is one line, as jq -c makes it"
#define SINGLE "JSON has double quotes, not single ones"
#define CURLY "a typographic quotation mark; JSON has plain double quotes"
#define NO_STRING "\"type\" is not a string"
#define BARE "a key needs double quotes, as in {\"type\":\"x\"}"

static const char cut[] = "the line ends before the event does; an event is one line, as jq -c makes it";

/* What stands at the fault: nothing any more, a letter, or this text. */
static const char at_end[] = "", letter[] = "a";

/* The first row that fits counts. */
static const struct {
	const char *why;  /* the complaint begins so */
	const char *text; /* at_end, letter, or what it begins with */
	char behind;      /* what stands before it, white space aside; 0: anything */
	const char *hint;
} hints[] = {
    {"an event is a JSON object", BOM, 0, MARK},
    {"an event is a JSON object", "\"", 0, PART},
    {"an event is a JSON object", "}", 0, PART},
    {"an event is a JSON object", "]", 0, PART},
    {"a key is missing", at_end, 0, cut},
    {"a key is missing", "'", 0, SINGLE},
    {"a key is missing", "\xe2\x80", 0, CURLY},
    {"a key is missing", "}", ',', "a comma before the closing }"},
    {"a key is missing", letter, 0, BARE},
    {"a colon is missing", at_end, 0, cut},
    {"a comma or ", at_end, 0, cut},
    {"a value is missing", at_end, 0, cut},
    {"not a JSON value", at_end, 0, cut},
    {"not a JSON value", BOM, 0, MARK},
    {"not a JSON value", "'", 0, SINGLE},
    {"not a JSON value", "\xe2\x80", 0, CURLY},
    {"not a JSON value", "]", ',', "a comma before the closing ]"},
    {"not a JSON value", "NaN", 0, "JSON has no NaN; null is what comes nearest"},
    {"not a JSON value", "Infinity", 0, "JSON has no Infinity; null is what comes nearest"},
    {"a digit is missing", "Infinity", '-', "JSON has no Infinity; null is what comes nearest"},
    {"not a JSON value", "True", 0, "JSON has true, in small letters"},
    {"not a JSON value", "False", 0, "JSON has false, in small letters"},
    {"not a JSON value", "None", 0, "JSON has null, not None"},
    {"not a JSON value", "undefined", 0, "JSON has null, not undefined"},
    {NO_STRING, at_end, 0, cut},
    {NO_STRING, "'", 0, SINGLE},
    {NO_STRING, "\xe2\x80", 0, CURLY},
    {NO_STRING, "null", 0, NO_STRING},
    {NO_STRING, "true", 0, NO_STRING},
    {NO_STRING, "false", 0, NO_STRING},
    {NO_STRING, letter, 0, "a string needs double quotes, as in {\"type\":\"x\"}"},
};

static bool begins_with(const char *at, const char *end, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(end - at) >= len && memcmp(at, text, len) == 0;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}

static bool stands_at(const char *text, const char *at, const char *end)
{
	if (text == at_end || at == end)
		return text == at_end && at == end;
	return text == letter ? is_letter(*at) : begins_with(at, end, text);
}

static bool stands_behind(char c, const char *begin, const char *at)
{
	while (at > begin && (at[-1] == ' ' || at[-1] == '\t'))
		at--;
	return c == 0 || (at > begin && at[-1] == c);
}

const char *hint_for(struct slice line, const struct json_fault *fault)
{
	for (size_t i = 0; i < countof(hints); i++) {
		const char *end = slice_end(line);
		if (strncmp(fault->why, hints[i].why, strlen(hints[i].why)) == 0 &&
		    stands_at(hints[i].text, fault->at, end) &&
		    stands_behind(hints[i].behind, line.data, fault->at))
			return hints[i].hint;
	}
	return fault->why;
}

const char *hint_for_value(struct slice text, const struct json_error *error)
{
	const char *hint = hint_for(text, &(struct json_fault){error->why, text.data + error->at});

	return hint == cut ? error->why : hint;
}

const char *hint_for_ts(const char *at, const char *end)
{
	const char *digits = at;

	while (digits < end && *digits >= '0' && *digits <= '9')
		digits++;
	if (at == end || digits == end)
		return cut;
	if (*at == '"')
		return "\"ts\" is a number, not a string: seconds since 1970, as date +%s prints them";
	if (*at == '-')
		return "\"ts\" is negative; it is seconds since 1970";
	if (digits > at && (*digits == '.' || *digits == 'e' || *digits == 'E'))
		return "\"ts\" is whole seconds since 1970, without a fraction or an exponent";
	if (begins_with(at, end, "null"))
		return "\"ts\" is null; left out, it becomes the time of arrival";
	return "\"ts\" is not an integer from 0 to 2^64-1";
}
