package sessions

// List is a page as tests read it.
type List = v1SessionList
