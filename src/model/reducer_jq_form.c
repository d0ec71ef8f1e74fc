#include "model/reducer_jq_form.h"

/* A form is made of two sorts of pieces. A *value* has one output or none (or an error), leaves the state alone, and is
 * evaluated on a copy: paths, $variables, literals, operators, functions of a list. A *step* takes the state and makes the
 * next one: an assignment, del, if, select, reduce, a function of the program's own that is a step. Steps stand in a pipe, one
 * after the other, so at the end there is at most one output; and if a step that may have none stood behind one that changes,
 * the change would have to be taken back, so that is no form. */

#define DEPTH 60
#define WORK 4000 /* terms looked at: trying one thing after another must not take for ever */

struct flow {
	bool empty, writes; /* may have no output; changes its input in place */
};

/* A function of the program's own; its parameters are $values. */
struct function {
	struct slice name;
	int arity;
	struct flow flow;
};

/* A piece that is to be collected. */
struct piece {
	const struct token *from, *to;
};

struct parser {
	const struct token *at;
	bool wrong; /* it is no form */
	bool adds;  /* the output is made of the state itself: . + … */
	unsigned work, depth;
	unsigned quiet; /* > 0: collecting would gain nothing */
	unsigned many;  /* > 0: here several outputs do no harm */
	struct function functions[32];
	size_t n_functions;
	struct piece pieces[64];
	size_t n_pieces;
};

static struct flow parse_pipe(struct parser *p);
static struct flow parse_value(struct parser *p);
static struct flow parse_values(struct parser *p);

static bool wrong(struct parser *p)
{
	p->wrong = true;
	return false;
}

static bool next_is(const struct parser *p, const char *text)
{
	return token_is(p->at, text);
}

static bool take(struct parser *p, const char *text)
{
	if (p->wrong || !next_is(p, text))
		return false;
	p->at++;
	return true;
}

static bool want(struct parser *p, const char *text)
{
	return take(p, text) || wrong(p);
}

static bool is_in(const struct token *t, const char *words)
{
	if (t->kind == TOKEN_WORD)
		for (const char *at = words; (at = memmem(at, strlen(at), t->text.data, t->text.len)); at++)
			if (at[-1] == ' ' && at[t->text.len] == ' ')
				return true;
	return false;
}

static struct flow either(struct flow a, struct flow b)
{
	return (struct flow){a.empty || b.empty, a.writes || b.writes};
}

static void collect(struct parser *p, const struct token *from)
{
	if (p->quiet || p->wrong)
		return;
	if (p->n_pieces < countof(p->pieces))
		p->pieces[p->n_pieces++] = (struct piece){from, p->at};
	else
		wrong(p);
}

static bool take_variable(struct parser *p, struct slice *ret)
{
	if (!want(p, "$"))
		return false;
	*ret = p->at->text;
	if (p->at->kind != TOKEN_WORD || next_is(p, "__loc__"))
		return wrong(p);
	p->at++;
	return true;
}

/* Behind the first quote: what is interpolated has one output each. */
static bool take_string(struct parser *p)
{
	if (p->at->kind != TOKEN_STRING)
		return false;
	p->at++;
	while (!p->wrong && take(p, "(")) {
		(void)parse_values(p);
		want(p, ")");
	}
	return true;
}

/* [KEY], [FROM:TO], []; the bracket is taken. */
static bool parse_index(struct parser *p)
{
	bool empty = false;

	if (take(p, "]"))
		return true;
	if (!next_is(p, ":"))
		empty |= parse_value(p).empty;
	if (take(p, ":") && !next_is(p, "]"))
		empty |= parse_value(p).empty;
	if (empty)
		wrong(p);
	want(p, "]");
	return false;
}

/* What may follow a term. True where there is one that gives several outputs, or none. */
static bool parse_suffixes(struct parser *p, const struct token *from, bool path)
{
	bool empty = false;

	while (!p->wrong) {
		if (p->at->kind == TOKEN_FIELD) {
			p->at++;
		} else if (next_is(p, ".") && p->at[1].kind == TOKEN_STRING) {
			p->at++;
			take_string(p);
		} else if (take(p, "[")) {
			if (!parse_index(p))
				continue;
			if (!p->many && !path)
				wrong(p);
			empty = true;
		} else if (!path && take(p, "?")) {
			empty = true;
			collect(p, from);
		} else {
			break;
		}
	}
	return empty;
}

/* A path to be assigned to. */
static void parse_path(struct parser *p)
{
	p->quiet++;
	if (p->at->kind == TOKEN_FIELD)
		p->at++;
	else if (want(p, "."))
		take_string(p);
	(void)parse_suffixes(p, p->at, true);
	p->quiet--;
}

/* One output always, or an error, when each argument has one. */
static const char one[] =
    " true false null length keys keys_unsorted type not tostring tojson add"
    " floor sqrt ceil round fabs pow log exp sort unique reverse min max to_entries from_entries "
    "ascii_downcase"
    " ascii_upcase explode implode has contains inside index rindex indices split join test startswith "
    "endswith ltrimstr"
    " rtrimstr utf8bytelength flatten todate fromdate mktime gmtime strftime transpose getpath ";
/* The same without an argument, and something else with one. */
static const char plain_one[] = " first last any all ";
/* One or none. error(null) is no error. */
static const char some[] =
    " select empty error values nulls strings numbers booleans arrays objects iterables scalars ";
/* They collect what their argument gives. */
static const char apart[] = " map with_entries sort_by group_by unique_by min_by max_by ";

#define ANY_ARITY (-1)
#define NO_ARITY (-2)

/* The last one defined. */
static struct function *find_function(struct parser *p, struct slice name, int arity)
{
	for (size_t i = p->n_functions; i-- > 0;)
		if (slice_eq(p->functions[i].name, name) &&
		    (arity == ANY_ARITY || p->functions[i].arity == arity))
			return &p->functions[i];
	return NULL;
}

static int parse_arguments(struct parser *p, struct flow *ret)
{
	int n = 0;

	if (!take(p, "("))
		return 0;
	do {
		*ret = either(*ret, parse_values(p));
		n++;
	} while (take(p, ";"));
	want(p, ")");
	return n;
}

static struct flow parse_own(struct parser *p, struct slice name)
{
	struct flow args = {0};
	int n = parse_arguments(p, &args);
	struct function *f = find_function(p, name, n);

	/* One of that name, but with other parameters: which is meant is not looked into. */
	if (!f || args.empty)
		wrong(p);
	return f ? f->flow : args;
}

/* What collects its argument's outputs may have any number of them, and steps in it: they change parts that are its own. */
static void parse_apart(struct parser *p)
{
	want(p, "(");
	p->quiet++;
	p->many++;
	(void)parse_pipe(p);
	p->many--;
	p->quiet--;
	want(p, ")");
}

static struct flow parse_function(struct parser *p)
{
	const struct token *word = p->at++;
	struct flow flow = {0}, args = {0};

	if (find_function(p, word->text, ANY_ARITY)) {
		flow = parse_own(p, word->text);
		if (flow.writes)
			wrong(p);
		return flow;
	}
	if (is_in(word, apart)) {
		parse_apart(p);
		return flow;
	}
	if (!is_in(word, one) && !is_in(word, some) && !(p->many && is_in(word, " range ")) &&
	    !(is_in(word, plain_one) && !next_is(p, "(")))
		wrong(p);
	parse_arguments(p, &args);
	args.empty |= !is_in(word, one) && !is_in(word, plain_one);
	return args;
}

static void parse_object(struct parser *p)
{
	struct slice name;

	while (!p->wrong && !take(p, "}")) {
		if (next_is(p, "$")) {
			take_variable(p, &name);
		} else if (take(p, "(")) {
			if (parse_values(p).empty)
				wrong(p);
			want(p, ")");
		} else if (!take_string(p)) {
			if (p->at->kind != TOKEN_WORD)
				wrong(p);
			p->at += p->at->kind != TOKEN_END;
		}
		if (take(p, ":") && parse_value(p).empty)
			wrong(p);
		if (!next_is(p, "}"))
			want(p, ",");
	}
}

static void parse_array(struct parser *p)
{
	if (take(p, "]"))
		return;
	p->quiet++;
	p->many++;
	(void)parse_values(p);
	p->many--;
	p->quiet--;
	want(p, "]");
}

/* if … end, of what `make` parses. */
static struct flow parse_if(struct parser *p, struct flow (*make)(struct parser *))
{
	struct flow flow = {0}, condition = {0};

	do {
		condition = either(condition, parse_values(p));
		want(p, "then");
		flow = either(flow, make(p));
	} while (take(p, "elif"));
	want(p, "else");
	flow = either(flow, make(p));
	want(p, "end");
	flow.empty |= condition.empty;
	return flow;
}

static struct flow parse_term(struct parser *p)
{
	const struct token *from = p->at;
	struct flow flow = {0};
	struct slice name;

	if (p->work++ > WORK)
		wrong(p);
	if (p->at->kind == TOKEN_FIELD) {
		/* a suffix */
	} else if (take(p, ".")) {
		take_string(p);
	} else if (p->at->kind == TOKEN_OTHER && p->at->text.data[0] != '@') {
		p->at++;
	} else if (next_is(p, "$")) {
		take_variable(p, &name);
	} else if (take(p, "(")) {
		flow = parse_values(p);
		want(p, ")");
	} else if (take(p, "[")) {
		parse_array(p);
	} else if (take(p, "{")) {
		parse_object(p);
	} else if (take(p, "if")) {
		return parse_if(p, parse_values);
	} else if (p->at->kind == TOKEN_WORD) {
		flow = parse_function(p);
	} else if (!take_string(p)) {
		wrong(p);
	}
	flow.empty |= parse_suffixes(p, from, false);
	return flow;
}

static bool take_operator(struct parser *p)
{
	static const char *const operators[] = {
	    "+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", "and", "or", ">="};

	for (size_t i = 0; i < countof(operators); i++)
		if (take(p, operators[i]))
			return true;
	return false;
}

/* Terms and operators, but for `//`, which binds less than an assignment does. */
static struct flow parse_operators(struct parser *p)
{
	struct flow flow = {0};

	do {
		while (take(p, "-"))
			;
		flow = either(flow, parse_term(p));
	} while (!p->wrong && take_operator(p));
	return flow;
}

static struct flow parse_value(struct parser *p)
{
	const struct token *from = p->at;
	struct flow flow = parse_operators(p);
	bool waits = false;

	while (take(p, "//")) {
		flow = parse_operators(p);
		waits = true;
	}
	if (waits)
		collect(p, from);
	return flow;
}

static bool ends_step(const struct token *t)
{
	static const char *const ends[] = {"|", ")", ";", "else", "elif", "end"};

	return t->kind == TOKEN_END || token_is_any(t, ends, countof(ends));
}

/* Back to where it was, if what has been tried is no form. */
static bool undo(struct parser *p, const struct parser *before)
{
	if (!p->wrong && ends_step(p->at))
		return false;
	p->at = before->at;
	p->wrong = before->wrong || p->work > WORK;
	p->n_pieces = before->n_pieces;
	p->n_functions = before->n_functions;
	p->quiet = before->quiet;
	p->many = before->many;
	p->depth = before->depth;
	return true;
}

/* Names VALUE as $name, where there is that: what comes is another part of the pipe. */
static bool parse_naming(struct parser *p, struct flow *ret)
{
	struct parser before = *p;
	struct slice name;

	*ret = parse_term(p);
	if (take(p, "as") && take_variable(p, &name) && next_is(p, "|"))
		return true;
	p->wrong = true;
	undo(p, &before);
	return false;
}

/* A pipe of values. Where several do no harm also commas, and names for values anywhere. */
static struct flow parse_values(struct parser *p)
{
	struct flow flow = {0}, next;

	if (p->depth++ == DEPTH)
		wrong(p);
	do {
		if (!parse_naming(p, &next))
			next = parse_value(p);
		flow = either(flow, next);
		if (p->many)
			while (take(p, ","))
				flow = either(flow, parse_value(p));
	} while (!p->wrong && take(p, "|"));
	p->depth--;
	return flow;
}

static const char *const assigns[] = {"=", "|=", "+=", "-=", "*=", "/=", "%=", "//="};

static bool parse_assignment(struct parser *p, struct flow *ret)
{
	struct parser before;

	*ret = (struct flow){.writes = true};
	before = *p;
	parse_path(p);
	const struct token *operator= p->at;
	if (p->wrong || !token_is_any(operator, assigns, countof(assigns))) {
		p->wrong = true;
		undo(p, &before);
		return false;
	}
	p->at++;
	if (token_is(operator, "|=")) {
		/* The part may be changed by steps; what has no output deletes it. */
		before = *p;
		if (take(p, "(")) {
			p->quiet++;
			(void)parse_pipe(p);
			p->quiet--;
			want(p, ")");
			if (!undo(p, &before))
				return true;
		}
		p->quiet++;
		(void)parse_operators(p);
		p->quiet--;
		return true;
	}
	ret->empty = parse_operators(p).empty;
	return true;
}

static struct flow parse_reduce(struct parser *p)
{
	struct slice name;
	struct flow flow;

	p->many++;
	p->quiet++;
	(void)parse_term(p);
	p->quiet--;
	p->many--;
	want(p, "as");
	take_variable(p, &name);
	want(p, "(");
	flow = parse_values(p);
	want(p, ";");
	/* What has no output makes the state null: that is one. */
	flow.writes |= parse_pipe(p).writes;
	want(p, ")");
	return flow;
}

static struct flow parse_del(struct parser *p)
{
	want(p, "(");
	parse_path(p);
	want(p, ")");
	return (struct flow){.writes = true};
}

static struct flow parse_step(struct parser *p)
{
	const struct token *word = p->at;
	struct parser before = *p;
	struct flow flow;

	if (find_function(p, word->text, ANY_ARITY) && word->kind == TOKEN_WORD) {
		p->at++;
		return parse_own(p, word->text);
	}
	if (take(p, "if"))
		return parse_if(p, parse_pipe);
	if (take(p, "reduce"))
		return parse_reduce(p);
	if (token_is(word, "del") && token_is(word + 1, "(")) {
		p->at++;
		return parse_del(p);
	}
	if (parse_assignment(p, &flow))
		return flow;
	if (take(p, "(")) {
		flow = parse_pipe(p);
		want(p, ")");
		if (!undo(p, &before))
			return flow;
	}
	if (token_is(word, ".") && (token_is(word + 1, "+") || token_is(word + 1, "*")))
		p->adds = true;
	return parse_value(p);
}

static void parse_def(struct parser *p)
{
	struct function f = {.name = p->at->text};
	size_t outer = p->n_functions;
	struct slice param;

	if (p->at->kind != TOKEN_WORD || f.name.data[0] == '_')
		wrong(p);
	p->at += p->at->kind != TOKEN_END;
	if (take(p, "(")) {
		do {
			take_variable(p, &param);
			f.arity++;
		} while (take(p, ";"));
		want(p, ")");
	}
	want(p, ":");
	if (outer == countof(p->functions)) {
		wrong(p);
		return;
	}
	/* In its body its own name is that of a function with no known number of parameters. */
	p->functions[p->n_functions++] = (struct function){.name = f.name, .arity = NO_ARITY};
	f.flow = parse_pipe(p);
	want(p, ";");
	p->functions[outer] = f;
}

static struct flow parse_pipe(struct parser *p)
{
	struct flow flow = {0};
	size_t outer = p->n_functions;

	if (p->depth++ == DEPTH)
		wrong(p);
	do {
		struct flow next;

		while (take(p, "def"))
			parse_def(p);
		if (!parse_naming(p, &next))
			next = parse_step(p);
		if (flow.writes && next.empty)
			wrong(p);
		flow = either(flow, next);
	} while (!p->wrong && take(p, "|"));
	p->n_functions = outer;
	p->depth--;
	return flow;
}

static const char *start_of(const struct token *t)
{
	return t->text.data - (t->kind == TOKEN_FIELD);
}

/* The program with its pieces collected. They nest, and come in the order of their ends. */
static void write_form(const struct parser *p, struct slice program, struct buf *form)
{
	const char *at = program.data, *end = program.data + program.len;

	for (; at <= end; at++) {
		/* There may be a comment before the end. */
		for (size_t i = 0; i < p->n_pieces; i++)
			if (start_of(p->pieces[i].to) == at)
				buf_add_str(form, "\n][]");
		for (size_t i = p->n_pieces; i-- > 0;)
			if (start_of(p->pieces[i].from) == at)
				buf_add_char(form, '[');
		if (at < end)
			buf_add_char(form, *at);
	}
}

bool reducer_jq_form(const struct tokens *t, bool *ret_sure, struct slice program, struct buf *form)
{
	struct parser p = {.at = t->list};
	struct flow flow = parse_pipe(&p);

	if (p.wrong || p.at->kind != TOKEN_END)
		return false;
	*ret_sure = !flow.empty && p.adds;
	write_form(&p, program, form);
	return true;
}
