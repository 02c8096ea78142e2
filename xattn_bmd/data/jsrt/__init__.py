"""The JSRT chest radiographs with the SCR masks, from a copy that the user holds, to a cohort folder."""
