/* Compiles and loads, but exports nothing. */
int something_else(void);
int something_else(void)
{
	return 1;
}
