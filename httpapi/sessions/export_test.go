package sessions

// List is the type of a page's JSON, for tests.
type List = v1SessionList
