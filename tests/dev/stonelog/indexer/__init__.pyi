from indexer import *
