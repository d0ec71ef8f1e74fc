#include "model/host/jq/outcome.h"

#include "model/host/jq/text.h"

#define SHOWN 200 /* bytes of a value that says nothing */

int outcome_of(struct val v, struct diag *why)
{
	char text[SHOWN];

	why->text[0] = '\0';
	if (v.kind == VAL_NULL || v.kind == VAL_TRUE)
		return RULE_LETS_IN;
	if (v.kind == VAL_FALSE)
		return RULE_REFUSES;
	if (v.kind == VAL_STRING) {
		diag_set_text(why, 0, val_slice(v));
	} else {
		val_dump_begin(v, text, sizeof(text));
		diag_set(why, 0, "its answer is %s, which is neither a reason nor null, true or false", text);
	}
	val_free(v);
	return RULE_REFUSES;
}

int outcome_of_error(struct val error, struct diag *why)
{
	char text[sizeof(why->text)];

	if (error.kind == VAL_STRING) {
		diag_set_text(why, 0, val_slice(error));
		memcpy(text, why->text, sizeof(text));
	} else {
		val_dump_begin(error, text, SHOWN);
	}
	val_free(error);
	diag_set(why, 0, "it failed: %.400s", text);
	return RULE_REFUSES;
}
