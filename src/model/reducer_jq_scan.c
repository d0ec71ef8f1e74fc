#include "model/reducer_jq_scan.h"

#include <errno.h>

#include "model/reducer_jq_tokens.h"

/* What a piece of program may do: give no output at all, change its input in place, or the first after the second. */
struct flow {
	bool empty, writes, loses;
};

/* A function of the program's own, or a parameter of one. */
struct function {
	struct slice name;
	struct flow flow;
	bool values;            /* all its parameters are $values */
	struct function *owner; /* of such a parameter, which may be called as well */
};

/* A piece that is to be collected before it is used, see reducer_jq_scan.h. */
struct piece {
	const struct token *from, *to;
	bool in_def;
};

struct parser {
	const struct token *at;
	unsigned depth;
	struct function functions[64];
	size_t n_functions;
	bool doubt; /* it was too deep or too long */

	struct piece pieces[64];
	size_t n_pieces;
	unsigned quiet;   /* > 0: collecting here would gain nothing, or is not possible */
	unsigned in_path; /* > 0: these are paths */
	unsigned in_def;
	unsigned calls;    /* of the program's own functions */
	bool path_calls;   /* … among paths */
	bool breaks;       /* has had a `break`: what it ends must not be collected */
	bool inside_entry; /* the pipe that comes next is a value in an object */
	/* this segment leaves something behind that waits to be asked for more, and holds its input */
	bool waits;
	const struct token *from; /* where this segment begins, but for definitions */
	bool binds;               /* this segment defines names for the following */
};

static struct flow either(struct flow a, struct flow b)
{
	return (struct flow){a.empty || b.empty, a.writes || b.writes, a.loses || b.loses};
}

static struct flow then(struct flow a, struct flow b)
{
	struct flow both = either(a, b);

	both.loses |= a.writes && b.empty;
	return both;
}

static struct flow parse_pipe(struct parser *p);

static bool take(struct parser *p, const char *text)
{
	if (!token_is(p->at, text))
		return false;
	p->at++;
	return true;
}

/* Everything up to `close`, alternatives of one another. */
static struct flow parse_list(struct parser *p, const char *close)
{
	struct flow flow = {0};

	while (p->at->kind != TOKEN_END && !token_is(p->at, close)) {
		const struct token *before = p->at;

		flow = either(flow, parse_pipe(p));
		if (p->at == before || token_is(p->at, ";") || token_is(p->at, ":"))
			p->at += !token_is(p->at, close) && p->at->kind != TOKEN_END;
	}
	p->doubt |= !take(p, close);
	return flow;
}

static struct flow parse_if(struct parser *p)
{
	struct flow flow = parse_pipe(p);

	flow.writes = flow.loses = false; /* the condition sees a copy */
	while (p->at->kind != TOKEN_END && !take(p, "end")) {
		if (take(p, "elif")) {
			flow.empty |= parse_pipe(p).empty;
			continue;
		}
		if (!take(p, "then") && !take(p, "else")) {
			p->doubt = true;
			break;
		}
		flow = either(flow, parse_pipe(p));
	}
	return flow;
}

/* A list that is evaluated apart: what waits in it is gone, or does no harm, when the rest goes on. */
static struct flow parse_apart(struct parser *p, const char *close)
{
	bool waits = p->waits;

	p->quiet++;
	struct flow flow = parse_list(p, close);
	p->quiet--;
	p->waits = waits;
	return flow;
}

static void skip_until_as(struct parser *p)
{
	while (p->at->kind != TOKEN_END && !token_is(p->at, "as")) {
		if (take(p, "("))
			(void)parse_apart(p, ")");
		else if (take(p, "["))
			(void)parse_apart(p, "]");
		else if (take(p, "{"))
			(void)parse_apart(p, "}");
		else
			p->at++;
	}
}

static struct flow parse_loop(struct parser *p, bool reduce)
{
	bool waits = p->waits;
	struct flow flow, body;

	skip_until_as(p);
	while (p->at->kind != TOKEN_END && !take(p, "("))
		p->at++;
	flow = parse_pipe(p);
	p->doubt |= !take(p, ";");
	body = parse_list(p, ")");
	if (!reduce)
		return (struct flow){true, true, true};
	/* It goes on to its end. A body without output makes the state null, it does not drop it. */
	p->waits = waits;
	return (struct flow){flow.empty, flow.writes || body.writes, flow.loses};
}

static void add_function(struct parser *p, struct slice name, struct flow flow)
{
	if (p->n_functions < countof(p->functions))
		p->functions[p->n_functions++] = (struct function){.name = name, .flow = flow};
	else
		p->doubt = true;
}

static void parse_parameters(struct parser *p, struct function *f)
{
	f->values = true;
	for (; p->at->kind != TOKEN_END && !take(p, ":"); p->at++) {
		if (p->at->kind != TOKEN_WORD)
			continue;
		/* Anything may be behind it. */
		add_function(p, p->at->text, (struct flow){true, true, false});
		if (token_is(p->at - 1, "$"))
			p->functions[p->n_functions - 1].owner = f;
		else
			f->values = false;
	}
}

static void parse_def(struct parser *p)
{
	bool waits = p->waits;

	add_function(p, p->at->text, (struct flow){true, true, true});
	struct function *f = &p->functions[p->n_functions - 1];
	p->at += p->at->kind != TOKEN_END;
	parse_parameters(p, f);
	p->in_def++;
	struct flow flow = parse_pipe(p);
	p->in_def--;
	p->doubt |= !take(p, ";");
	f->flow = flow;
	p->waits = waits;
}

/* Objects: the keys may be keywords. */
static struct flow parse_object(struct parser *p)
{
	struct flow flow = {0};

	while (p->at->kind != TOKEN_END && !take(p, "}")) {
		if (take(p, "(")) {
			flow = either(flow, parse_list(p, ")"));
		} else if (!token_is(p->at, ",") && !token_is(p->at, ":")) {
			p->at++;
		}
		if (take(p, ":")) {
			const struct token *before = p->at;

			/* A comma ends no pipe: the keys that follow are just read as words. */
			p->inside_entry = true;
			flow = either(flow, parse_pipe(p));
			p->at += p->at == before && p->at->kind != TOKEN_END;
		} else {
			take(p, ",");
		}
	}
	flow.writes = flow.loses = false; /* values are made from copies */
	return flow;
}

/* One output always, or an error. */
static const char one[] =
    " true false null length keys keys_unsorted type not tostring tonumber tojson fromjson add"
    " floor sqrt sort unique reverse min max to_entries from_entries ascii_downcase"
    " ascii_upcase explode implode has contains inside index rindex indices split join test"
    " startswith endswith ltrimstr rtrimstr utf8bytelength flatten todate fromdate mktime"
    " gmtime strftime strptime fabs round ceil pow log exp transpose isnan isinfinite infinite"
    " nan and or sub gsub setpath delpaths getpath ";
/* The same, as long as they have no argument. */
static const char one_or_many[] = " first last ";
/* Any number of outputs, of what their arguments make. */
static const char many[] =
    " empty error recurse range values nulls strings numbers booleans arrays objects iterables"
    " scalars limit first last nth until while repeat paths leaf_paths splits match capture scan"
    " combinations tostream fromstream ";
/* They collect what their arguments give. */
static const char collect[] =
    " map any all with_entries map_values sort_by group_by unique_by min_by max_by del isempty"
    " walk ";
static const char writers[] = " setpath delpaths del ";
static const char takes_paths[] = " path del paths _modify _assign ";
static const char leaves_waiting[] = " first limit nth until ";

static bool word_is_in(const struct token *t, const char *words)
{
	for (const char *at = words; (at = memmem(at, strlen(at), t->text.data, t->text.len)); at++)
		if (at[-1] == ' ' && at[t->text.len] == ' ')
			return true;
	return false;
}

/* All of that name: which one is meant is not looked into. */
static bool find_function(struct parser *p, const struct token *word, struct flow *ret, bool *ret_values)
{
	bool found = false;

	*ret = (struct flow){0};
	*ret_values = true;
	for (size_t i = 0; i < p->n_functions; i++) {
		struct function *f = &p->functions[i];

		if (!slice_eq(f->name, word->text))
			continue;
		found = true;
		*ret = either(*ret, f->flow);
		*ret_values &= f->values;
		if (f->owner)
			f->owner->values = false;
	}
	return found;
}

static struct flow parse_arguments(struct parser *p, const struct token *word, bool own, bool values)
{
	struct flow args = {0};
	bool paths = own ? !values : word_is_in(word, takes_paths);

	if (!take(p, "("))
		return args;
	p->in_path += paths;
	args = word_is_in(word, collect) ? parse_apart(p, ")") : parse_list(p, ")");
	p->in_path -= paths;
	p->waits |= !own && word_is_in(word, leaves_waiting);
	return args;
}

static struct flow parse_word(struct parser *p)
{
	const struct token *word = p->at++;
	struct flow flow, args;
	bool values, own = find_function(p, word, &flow, &values), has_args = token_is(p->at, "(");

	args = parse_arguments(p, word, own, values);
	if (own) {
		p->calls++;
		p->path_calls |= p->in_path > 0;
		flow = either(flow, args);
		flow.loses |= flow.empty && flow.writes && has_args;
		return flow;
	}
	if (word_is_in(word, collect))
		return (struct flow){false, word_is_in(word, writers), false};
	if (word_is_in(word, one) || (!has_args && word_is_in(word, one_or_many)))
		return (struct flow){args.empty, word_is_in(word, writers), false};
	if (token_is(word, "select"))
		return (struct flow){true, false, false};
	if (word_is_in(word, many))
		return (struct flow){true, args.writes, args.writes};
	return (struct flow){true, true, args.loses};
}

static bool ends_term(const struct token *t)
{
	static const char *const ends[] = {")", "]", "}", ".", "..", "?"};
	static const char *const keywords[] = {"if",      "then", "else",  "elif", "and",   "or", "reduce",
					       "foreach", "try",  "catch", "as",   "label", "end"};

	if (t->kind == TOKEN_WORD)
		return !token_is_any(t, keywords, countof(keywords) - 1);
	return t->kind != TOKEN_OP || token_is_any(t, ends, countof(ends));
}

/* Is it a sequence of terms and operators that ends here? */
static bool ends_segment(const struct token *t)
{
	static const char *const ends[] = {"|", ")", "]", "}", ";", "then", "else", "elif", "end", ":"};

	return t->kind == TOKEN_END || token_is_any(t, ends, countof(ends));
}

/* One part of a pipe: terms and operators. Where a part of it is evaluated while another one waits, libjq itself holds
 * the old state, and the host sees that when it comes to a change; so only what comes one after the other matters. */
static struct flow parse_segment(struct parser *p, const struct token *first)
{
	static const char *const assigns[] = {"=", "|=", "+=", "-=", "*=", "/=", "%=", "//="};
	size_t n_pieces = p->n_pieces;
	unsigned calls = p->calls;
	struct flow flow = {0};

	while (!ends_segment(p->at)) {
		const struct token *t = p->at;

		if (token_is_any(t, assigns, countof(assigns))) {
			bool update = token_is(t, "|="), apart = update || token_is(t, "=");

			p->at++;
			/* Left of it are paths, which are collected; an update that gives nothing deletes. */
			p->n_pieces = n_pieces;
			p->path_calls |= p->calls != calls;
			p->waits = false;
			p->quiet += apart;
			struct flow value = parse_segment(p, p->at);
			p->quiet -= apart;
			p->waits &= !apart;
			return (struct flow){value.empty && !update, true, false};
		} else if (t->kind != TOKEN_WORD && t->kind != TOKEN_OP) {
			p->at++;
		} else if (take(p, "$")) {
			p->at += p->at->kind != TOKEN_END;
		} else if (take(p, "if")) {
			flow = either(flow, parse_if(p));
		} else if (take(p, "reduce")) {
			flow = either(flow, parse_loop(p, true));
		} else if (take(p, "foreach")) {
			flow = either(flow, parse_loop(p, false));
		} else if (take(p, "def")) {
			parse_def(p);
			p->from = p->at;
		} else if (take(p, "as")) {
			flow.writes = flow.loses = false;
			p->binds = true;
		} else if (take(p, "try") || take(p, "catch") || take(p, "?")) {
			flow.empty = true;
			p->waits = true;
		} else if (take(p, "break")) {
			flow.empty = true;
			p->breaks = true;
		} else if (take(p, "//")) {
			p->waits = true;
		} else if (take(p, "label")) {
			p->binds = true;
		} else if (take(p, "(")) {
			flow = either(flow, parse_list(p, ")"));
		} else if (take(p, "{")) {
			flow = either(flow, parse_object(p));
		} else if (take(p, "[")) {
			bool index = t > first && ends_term(t - 1);

			if (index && take(p, "]"))
				flow.empty = true;
			else if (index)
				flow.empty |= parse_list(p, "]").empty;
			else
				(void)parse_apart(p, "]");
		} else if (t->kind == TOKEN_WORD) {
			flow = either(flow, parse_word(p));
		} else {
			p->at++;
		}
	}
	return flow;
}

static bool add_piece(struct parser *p)
{
	if (p->quiet || p->in_path || p->breaks || p->n_pieces == countof(p->pieces))
		return false;
	p->pieces[p->n_pieces++] = (struct piece){p->from, p->at, p->in_def > 0};
	return true;
}

static struct flow parse_pipe(struct parser *p)
{
	bool inside_entry = p->inside_entry;
	struct flow flow = {0};

	p->inside_entry = false;

	if (p->depth == 200) {
		p->doubt = true;
		while (p->at->kind != TOKEN_END)
			p->at++;
		return flow;
	}
	p->depth++;
	do {
		bool waits = p->waits, binds = p->binds;
		const struct token *from = p->from;

		p->waits = p->binds = false;
		p->from = p->at;
		flow = then(flow, parse_segment(p, p->at));
		if (p->waits && !p->binds && !inside_entry && add_piece(p))
			p->waits = false;
		p->waits |= waits;
		p->binds = binds;
		p->from = from;
	} while (take(p, "|"));
	p->depth--;
	return flow;
}

/* Is the state itself at the left of an operator whose result may be made in it? */
static bool adds_to_state(const struct tokens *t)
{
	int level = 0;

	for (size_t i = 0; i + 1 < t->n; i++) {
		const struct token *at = &t->list[i];

		level += token_is(at, "(") || token_is(at, "[") || token_is(at, "{");
		level -= token_is(at, ")") || token_is(at, "]") || token_is(at, "}");
		bool begins = i == 0 || token_is(at - 1, "|") || token_is(at - 1, "then") ||
			      token_is(at - 1, "else") || token_is(at - 1, ";");
		if (level == 0 && begins && token_is(at, ".") &&
		    (token_is(at + 1, "+") || token_is(at + 1, "*")))
			return true;
	}
	return false;
}

static enum jq_hold hold_of(const struct parser *p, struct flow flow, const struct tokens *t)
{
	if (p->doubt || p->at->kind != TOKEN_END || flow.loses)
		return JQ_HOLD_ALWAYS;
	return !flow.empty && adds_to_state(t) ? JQ_HOLD_NEVER : JQ_HOLD_WRITE;
}

static const char *start_of(const struct token *t)
{
	return t->text.data - (t->kind == TOKEN_FIELD);
}

/* The program with its pieces collected. They nest, and come in the order of their ends. */
static int must_check collect_pieces(struct buf *out, const struct parser *p, struct slice program)
{
	const char *at = program.data, *end = program.data + program.len;
	bool any = false;

	if (p->doubt || p->at->kind != TOKEN_END)
		return 0;
	for (; at <= end; at++) {
		for (size_t i = 0; i < p->n_pieces; i++) {
			const struct piece *piece = &p->pieces[i];

			if (piece->in_def && p->path_calls)
				continue;
			/* A comment may go before the end. */
			if (start_of(piece->to) == at)
				buf_add_str(out, at == end ? "\n][]" : "][]");
		}
		for (size_t i = 0; i < p->n_pieces; i++) {
			const struct piece *piece = &p->pieces[i];

			if (piece->in_def && p->path_calls)
				continue;
			if (start_of(piece->from) == at) {
				buf_add_char(out, '[');
				any = true;
			}
		}
		if (at < end)
			buf_add_char(out, *at);
	}
	if (!any)
		buf_clear(out);
	return buf_error(out);
}

static unsigned find_need(const struct tokens *t)
{
	static const char *const names[] = {"type", "data", "ts", "id", "actor", "meta"};
	unsigned need = 0;

	for (size_t i = 1; i < t->n; i++) {
		if (!token_is(&t->list[i], "event") || !token_is(&t->list[i - 1], "$"))
			continue;
		unsigned bit = JQ_NEED_ALL;
		if (i + 1 < t->n && t->list[i + 1].kind == TOKEN_FIELD)
			for (size_t k = 0; k < countof(names); k++)
				if (slice_eq(t->list[i + 1].text, slice_of(names[k])))
					bit = 1u << k;
		need |= bit;
	}
	return need;
}

int reducer_jq_scan(struct jq_scan *ret, struct slice program, struct buf *collected)
{
	static const char *const modules[] = {"import", "include", "module"};
	cleanup(reducer_jq_tokens_deinit) struct tokens t = {0};
	int err = reducer_jq_tokens(&t, program);

	*ret = (struct jq_scan){.hold = JQ_HOLD_ALWAYS, .need = JQ_NEED_ALL, .updates = true};
	if (err == -E2BIG)
		return 0;
	if (err)
		return err;
	ret->empty = t.list[0].kind == TOKEN_END;
	for (size_t i = 0; i < countof(modules); i++)
		if (token_is(&t.list[0], modules[i]))
			ret->module = modules[i];
	ret->need = find_need(&t);
	ret->updates = false;
	for (size_t i = 1; i < t.n; i++)
		ret->env |= token_is(&t.list[i], "ENV") && token_is(&t.list[i - 1], "$");
	for (size_t i = 0; i < t.n; i++)
		ret->updates |= token_is(&t.list[i], "|=") || token_is(&t.list[i], "_modify");

	struct parser p = {.at = t.list};
	struct flow flow = parse_pipe(&p);
	ret->hold = hold_of(&p, flow, &t);
	return collect_pieces(collected, &p, program);
}
